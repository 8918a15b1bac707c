"""Runs a load generator on its own core, and reads its figures."""

import json
import subprocess
from dataclasses import dataclass

from servers import CONFAB, ROOT

BENCH_XMPP = ROOT / "target" / "release" / "bench-xmpp"


@dataclass
class Load:
    """How much, for how long."""

    pairs: int
    size: int
    seconds: float
    warmup: float
    rate: int
    idle: int
    connects: int
    concurrency: int

    def users(self):
        """The accounts that are needed, at 16 sessions each."""
        sessions = max(self.idle + 1, self.connects)
        return max(2 * self.pairs, -(-sessions // 16) + 1)


class Failed(Exception):
    """A generator that gave no figures."""


def ask(server, core, options, limit):
    """Runs the generator that fits the server, and returns what it says as JSON."""
    if server.protocol == "xmpp":
        command = [BENCH_XMPP, server.address]
    else:
        command = [CONFAB, "bench", f"http://{server.address}", "--json"]
    command = ["taskset", "-c", str(core), *map(str, [*command, *options])]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)}: not done within {limit:.0f} s") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")
    return json.loads(done.stdout)


def sending(load):
    options = ["--pairs", load.pairs, "--size", load.size]
    return [*options, "--duration", load.seconds, "--warmup", load.warmup]


def measure(server, core, load):
    """All figures of a server: by name, and with what the generator said."""
    limit = 120 + 4 * (load.seconds + load.warmup)
    said = {}

    def phase(name, *options):
        said[name] = ask(server, core, options, limit)
        return said[name]

    # Memory first: what a load leaves behind would hide the growth.
    crowd = ["--concurrency", load.concurrency]
    none = [] if server.protocol == "xmpp" else ["--pairs", 0]
    quiet = [] if server.protocol == "xmpp" else ["--connect-sessions", 0]
    idle = phase("idle", *crowd, *none, *quiet, "--idle", load.idle, "--pid", server.pid)
    connect = phase("connect", *crowd, *none, "--connect-sessions", load.connects)
    # Without a rate, `confab bench` measures latencies at half of saturation as well.
    one = phase("window 1", *quiet, *sending(load), "--window", 1)
    many = phase("window 16", *quiet, *sending(load), "--window", 16)
    paced = phase("rate", *quiet, *sending(load), "--rate", load.rate)
    for name, told in said.items():
        check(name, told, load)
    figures = {
        "window_1": one["saturation"]["acknowledged_per_second"],
        "window_16": many["saturation"]["acknowledged_per_second"],
        "p50": paced["open_loop"]["echo"]["p50_us"] / 1e6,
        "p99": paced["open_loop"]["echo"]["p99_us"] / 1e6,
        "idle": idle["idle"]["bytes_per_session"],
        "connects": connect["connect"]["per_second"],
    }
    return figures, said


def check(name, told, load):
    """A figure counts only when nothing was refused or lost."""
    for phase in ("saturation", "open_loop"):
        said = told.get(phase)
        if said is None:
            continue
        if said["refused"] or said.get("sessions_ended"):
            raise Failed(f"{name}, {phase}: not all was accepted: {json.dumps(said)}")
        # A slow server has much to answer when sending ends at saturation, and the wait for it
        # is bounded.
        late = said.get("unanswered", 0)
        if late and name == "rate":
            raise Failed(f"{name}, {phase}: not all was answered: {json.dumps(said)}")
        if said["delivered"] < said["acknowledged"] and not late:
            raise Failed(f"{name}, {phase}: not all was delivered: {json.dumps(said)}")
    wanted = {"idle": ("sessions", load.idle), "connect": ("opened", load.connects)}
    for phase, (key, number) in wanted.items():
        if name == phase and told[phase][key] < number:
            raise Failed(f"{name}: only {told[phase][key]} of {number} sessions could be opened")


def limited(said):
    """Which measurements of a server the generator may have limited."""
    parts = {"window 1": "saturation", "window 16": "saturation", "rate": "open_loop"}
    return [name for name, part in parts.items() if said[name][part]["generator"]["was_bottleneck"]]
