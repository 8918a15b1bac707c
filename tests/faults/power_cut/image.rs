//! What a machine boots into: an archive that the kernel unpacks into memory (cpio, "newc", see
//! the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::machine::find;

/// What the kernel must load, in this order.
const MODULES: [&str; 9] = [
    "virtio/virtio_ring.ko",
    "virtio/virtio.ko",
    "virtio/virtio_pci_modern_dev.ko",
    "virtio/virtio_pci_legacy_dev.ko",
    "virtio/virtio_pci.ko",
    "block/virtio_blk.ko",
    "failover.ko",
    "net/net_failover.ko",
    "net/virtio_net.ko",
];

/// The first program. It passes the daemon's log to the console.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t devtmpfs none /dev
mount -t sysfs none /sys
for module in MODULES; do insmod /modules/$module; done
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
options=$(sed 's/.*mount=\([^ ]*\).*/\1/' /proc/cmdline)
mount -t ext4 -o "$options" /dev/vda /data || poweroff -f
while sleep 1; do echo the machine goes on; done &
export CONFAB_STORE__PATH=/data/confab CONFAB_CONFIG=/confab.toml
/bin/confab
poweroff -f
"#;

/// No plugins, whose time limits an emulated processor may miss; and a clock that may differ from
/// one boot to the next.
const CONFIG: &str = "plugins = []\n[server]\nlisten = \"0.0.0.0:8080\"\nadmin_listen = \"0.0.0.0:9090\"\n\
                      [limits]\nframe_rate = 0\nauth_rate = 0\n\
                      [auth]\nleeway = \"5m\"\nargon2_memory = \"8MiB\"\nargon2_iterations = 1\n";

/// The one file in `folder` whose name begins so.
pub fn only(folder: &Path, begin: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    files
        .map(|file| file.expect("a file").path())
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(begin)))
        .unwrap_or_else(|| panic!("{begin} is missing in {folder:?}"))
}

/// The archive, with the daemon and the libraries that it needs.
pub fn build(scratch: &Path, kernel: &Path) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "sys", "data", "modules"] {
        archive.folder(folder);
    }
    let busybox = find("busybox", &["/bin", "/usr/bin"]);
    archive.file("bin/busybox", &read(&busybox));

    let daemon = scratch.join("confab");
    let stripped =
        Command::new("strip").arg("-o").arg(&daemon).arg(env!("CARGO_BIN_EXE_confab")).status();
    assert!(stripped.expect("strip runs").success());
    archive.file("bin/confab", &read(&daemon));
    let needed = [&busybox, &daemon].map(|program| {
        let libraries = Command::new("ldd").arg(program).output().expect("ldd runs").stdout;
        String::from_utf8_lossy(&libraries).into_owned()
    });
    let needed = needed.iter().flat_map(|text| text.split_whitespace());
    for path in needed.filter(|word| word.starts_with('/')).collect::<BTreeSet<_>>() {
        let inside = path.trim_start_matches('/');
        archive.parents(inside);
        archive.file(inside, &read(Path::new(path)));
    }

    let modules = only(&kernel.join("lib/modules"), "").join("kernel");
    let mut names = Vec::new();
    for path in MODULES {
        let folder = if path == "failover.ko" { "net/core" } else { "drivers" };
        let name = path.rsplit('/').next().expect("a name");
        archive.file(&format!("modules/{name}"), &read(&modules.join(folder).join(path)));
        names.push(name);
    }
    archive.file("confab.toml", CONFIG.as_bytes());
    archive.file("init", INIT.replace("MODULES", &names.join(" ")).as_bytes());
    archive.end()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    folders: Vec<String>,
    number: usize,
}

impl Archive {
    fn folder(&mut self, path: &str) {
        if !self.folders.iter().any(|folder| folder == path) {
            self.folders.push(path.to_owned());
            self.entry(path, 0o040_755, &[]);
        }
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            self.folder(&path[..at]);
        }
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_755, content);
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.number += 1;
        let fields = [self.number, mode as usize, 0, 0, 1, 0, content.len(), 0, 0, 0, 0];
        self.bytes.extend(b"070701");
        for field in fields.into_iter().chain([path.len() + 1, 0]) {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(path.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
