# shellcheck shell=bash
# A machine for tests: a Debian 12 with a systemd of its own, in a container with no network but
# its loopback. To be sourced by a script with `set -euo pipefail`, in the repository's root, as
# root. What a test changes is in a layer of its own: the next machine is fresh.
#
#   machine_boot            boots it, and stops it when the script ends
#   machine_run COMMAND…    runs a program of the machine in it, as root
#   machine_net COMMAND…    runs a program of this machine in its network
#   machine_put FILE PATH   copies a file into it
#   machine_path PATH       where a path of it is here
#   machine_stop            ends it

# Debian packages of the machine, beside the essential ones.
MACHINE_PACKAGES=systemd-sysv,dbus,libnss-systemd,procps,iproute2,curl,ca-certificates
MACHINE_FOLDER="$PWD/target/systemd"

machine_die() { printf 'machine: %s\n' "$*" >&2; exit 1; }

# Waits until a command succeeds, at most so many seconds.
machine_wait() {
    local seconds="$1" end
    shift
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# The file system that all machines begin with; made once.
machine_root() {
    local root="$MACHINE_FOLDER/root"
    [ "$(cat "$root.packages" 2>/dev/null)" = "$MACHINE_PACKAGES" ] && return
    for tool in mmdebstrap systemd-nspawn nsenter; do
        command -v "$tool" >/dev/null ||
            machine_die "$tool is missing: apt-get install mmdebstrap systemd-container"
    done
    echo "make the machine's file system (a minute, once)"
    mkdir -p "$MACHINE_FOLDER"
    rm -rf "$root" "$root.packages"
    mmdebstrap --quiet --variant=minbase --include="$MACHINE_PACKAGES" bookworm "$root"
    echo "$MACHINE_PACKAGES" >"$root.packages"
}

machine_boot() {
    [ "$(id -u)" -eq 0 ] || machine_die "boot it as root"
    machine_root
    MACHINE="$(mktemp -d "$MACHINE_FOLDER/machine.XXXXXX")"
    MACHINE_NSPAWN=
    trap machine_stop EXIT
    trap 'exit 1' INT TERM
    mkdir "$MACHINE"/{changes,work,tree}
    mount -t overlay confab-test \
        -o "lowerdir=$MACHINE_FOLDER/root,upperdir=$MACHINE/changes,workdir=$MACHINE/work" \
        "$MACHINE/tree"
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet -D "$MACHINE/tree" --boot \
        --private-network --register=no --keep-unit --console=pipe --hostname=confab-test \
        </dev/null >"$MACHINE/console" 2>&1 &
    MACHINE_NSPAWN=$!
    machine_wait 30 machine_booted || { cat "$MACHINE/console" >&2; machine_die "it does not boot"; }
}

machine_leader() { tr -d ' ' <"/proc/$MACHINE_NSPAWN/task/$MACHINE_NSPAWN/children"; }

machine_booted() {
    local state
    state="$(machine_run systemctl is-system-running)" || true
    [ "$state" = running ] || [ "$state" = degraded ]
}

machine_run() {
    nsenter -t "$(machine_leader)" -a env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

machine_net() { nsenter -t "$(machine_leader)" -n "$@"; }

machine_path() { printf '%s\n' "/proc/$(machine_leader)/root$1"; }

machine_put() {
    local to
    to="$(machine_path "$2")"
    mkdir -p "${to%/*}"
    cp "$1" "$to"
}

machine_stop() {
    local status="${1:-$?}"
    if [ -n "$MACHINE_NSPAWN" ] && kill -0 "$MACHINE_NSPAWN" 2>/dev/null; then
        # Which asks its systemd to power off.
        kill -TERM "$MACHINE_NSPAWN"
        machine_wait 20 machine_ended || kill -KILL "$MACHINE_NSPAWN"
        wait "$MACHINE_NSPAWN" 2>/dev/null || true
    fi
    MACHINE_NSPAWN=
    if mountpoint -q "$MACHINE/tree"; then
        umount "$MACHINE/tree"
    fi
    rm -rf "$MACHINE"
    return "$status"
}

machine_ended() { ! kill -0 "$MACHINE_NSPAWN"; }
