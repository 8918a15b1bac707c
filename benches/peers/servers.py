"""Starts and ends the servers that are measured, each on one core in a folder of its own."""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / "target" / "peers"
VENV = TOOLS / "venv"
RELAY = TOOLS / "relay"
CONFAB = ROOT / "target" / "release" / "confab"
ERL_LIBS = "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu"

CONFAB_TOML = """\
[server]
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:{admin}"

[store]
path = "{store}"

# One client does what many would: its limits are off, and signing up is cheap. All else, the
# chain and the durable store, is as by default.
[limits]
frame_rate = 0
auth_rate = 0

[auth]
argon2_memory = "8MiB"
argon2_iterations = 1
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(what, ready, process, log, limit=60):
    """Waits until `ready()`; ends the run when the process ends before."""
    deadline = time.monotonic() + limit
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ready():
                return
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"{what} did not come up:\n{tail}")
        time.sleep(0.05)


def listens(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


class Server:
    """A server that runs. `pid` is the process whose memory holds the sessions."""

    # What `confab bench` speaks, or what ejabberd does.
    protocol = "json"

    def __init__(self, folder, core):
        self.folder = Path(folder)
        self.core = core
        self.processes = []
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def spawn(self, name, command, env=None, cwd=None):
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["taskset", "-c", str(self.core), *map(str, command)],
                env={**os.environ, **(env or {})},
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # Ctrl-C reaches the runner alone, which ends them in order.
                start_new_session=True,
            )
        self.processes.append(process)
        return process, log

    def stop(self):
        for process in reversed(self.processes):
            end(process)
        self.processes.clear()

    def prepare(self, users):
        """Makes accounts user0, user1, … where the generator can't."""


def end(process):
    """Ends a process that was started here."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Confab(Server):
    """confab as by default, on the embedded store."""

    # Where the store is; None: in the server's folder.
    store = None

    def start(self):
        self.made = None
        store = self.folder / "store"
        if self.store:
            self.made = store = Path(self.store) / f"confab-{secrets.token_hex(4)}"
        config = self.folder / "confab.toml"
        config.write_text(CONFAB_TOML.format(port=self.port, admin=free_port(), store=store))
        env = {"CONFAB_CONFIG": str(config)}
        process, log = self.spawn("confab", [CONFAB, "--config", config], env)
        self.pid = process.pid
        wait_until("confab", lambda: listens(self.port), process, log)

    def stop(self):
        super().stop()
        if self.made:
            shutil.rmtree(self.made, ignore_errors=True)


class ConfabTmpfs(Confab):
    """confab with its store in memory: what is left when the disk costs nothing."""

    store = "/dev/shm"


class Seed(Server):
    """The seed's stack, at its best: uvicorn's fastest parts, and a Redis that writes no disk."""

    redis_options = ("--save", "", "--appendonly", "no")

    def start(self):
        redis_port = free_port()
        options = ["--bind", "127.0.0.1", "--port", redis_port, "--dir", self.folder]
        redis, log = self.spawn("redis", ["redis-server", *options, *self.redis_options])
        wait_until("redis-server", lambda: listens(redis_port), redis, log)
        env = {
            "SECRET_KEY": secrets.token_hex(32),
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [VENV / "bin" / "python", "-m", "uvicorn", "app:app"]
        command += ["--host", "127.0.0.1", "--port", self.port, "--workers", 1]
        command += ["--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio"]
        command += ["--ws-per-message-deflate", "false", "--no-access-log"]
        command += ["--log-level", "warning"]
        process, log = self.spawn("uvicorn", command, env, cwd=HERE / "seed")
        self.pid = process.pid
        wait_until("uvicorn", lambda: listens(self.port), process, log)


class SeedDurable(Seed):
    """The seed's stack with a Redis that writes each message to the disk before it answers."""

    redis_options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class Relay(Server):
    """A relay on node's ws, which stores nothing."""

    def start(self):
        env = {"SECRET_KEY": secrets.token_hex(32), "PORT": str(self.port)}
        env["NODE_ENV"] = "production"
        process, log = self.spawn("relay", ["node", RELAY / "relay.js"], env)
        self.pid = process.pid
        wait_until("the relay", lambda: listens(self.port), process, log)


class Ejabberd(Server):
    """ejabberd, without a distributed Erlang around it."""

    protocol = "xmpp"

    def start(self):
        self.api = free_port()
        config = self.folder / "ejabberd.yml"
        text = (HERE / "ejabberd.yml").read_text()
        config.write_text(text.format(c2s_port=self.port, api_port=self.api))
        spool = self.folder / "spool"
        spool.mkdir()
        env = {
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_LIBS": ERL_LIBS,
            "ERL_CRASH_DUMP_BYTES": "0",
            "ERL_MAX_PORTS": "32000",
            "HOME": str(self.folder),
        }
        # What ejabberdctl starts, by itself: as any user, and without a name server.
        command = ["erl", "+K", "true", "+P", "250000", "-mnesia", "dir", f'"{spool}"']
        process, log = self.spawn("ejabberd", [*command, "-s", "ejabberd", "-noinput"], env)
        # Each of taskset, erl and erlexec becomes the next.
        self.pid = process.pid
        wait_until("ejabberd", lambda: listens(self.port), process, log)

    def prepare(self, users):
        # The command `register` of ejabberdctl, which is a second for each account.
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=30)
        for number in range(users):
            account = {"user": f"user{number}", "host": "localhost"}
            account["password"] = "correct-horse-battery"
            body, head = json.dumps(account), {"Content-Type": "application/json"}
            connection.request("POST", "/api/register", body, head)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise SystemExit(f"ejabberd refused an account: {answer.status} {text}")
        connection.close()


PEERS = {
    "confab": Confab,
    "seed": Seed,
    "relay": Relay,
    "ejabberd": Ejabberd,
    "confab-tmpfs": ConfabTmpfs,
    "seed-durable": SeedDurable,
}


def describe(peers):
    """The versions of what is measured."""

    def said(*command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip()

    versions = {}
    if any(name.startswith("confab") for name in peers):
        versions["confab"] = said(CONFAB, "--version").splitlines()[0]
    if any(name.startswith("seed") for name in peers):
        names = ("fastapi", "uvicorn", "uvloop", "httptools", "websockets", "redis", "hiredis")
        script = "import sys, importlib.metadata as m; print('Python', sys.version.split()[0])\n"
        script += "for n in sys.argv[1:]: print(n, m.version(n))"
        text = said(VENV / "bin" / "python", "-c", script, *names)
        redis = said("redis-server", "--version").partition("v=")[2].split()[0]
        versions["seed"] = ", ".join([*text.splitlines(), f"redis-server {redis}"])
    if "relay" in peers:
        ws = json.loads((RELAY / "node_modules" / "ws" / "package.json").read_text())
        versions["relay"] = f"node {said('node', '--version')}, ws {ws['version']}"
    if "ejabberd" in peers:
        versions["ejabberd"] = said("dpkg-query", "-W", "-f", "ejabberd ${Version}", "ejabberd")
    return versions
