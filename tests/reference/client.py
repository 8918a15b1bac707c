"""The reference client: docs/clients.md in code. It misses nothing, loses nothing, doubles nothing.

    client.py --url http://127.0.0.1:8080 --username ann --password … --store ann.db

Reads commands from its standard input, one JSON object a line, and answers on its standard output:
`{"send": {"to": ID, "content": TEXT}}`, `{"seen": {"to": ID, "upto": N}}`, `{"report": "state"}`, `{"report": "messages"}`.
"""

import argparse
import asyncio
import http.client
import json
import random
import sqlite3
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

RETRY = {"rate_limited", "overloaded", "unavailable", "plugin_failed", "internal", "too_many_sessions"}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def within(peer, begin, end):
    """Ids are compared as texts; an end that is None is open."""
    return (begin is None or begin <= peer) and (end is None or peer < end)


class Store:
    """What is kept on the device: messages without a hole, marks, and what waits for its echo."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS message (peer, seq, sender, id, content, PRIMARY KEY (peer, seq));
            CREATE TABLE IF NOT EXISTS mark (reader, peer, upto, PRIMARY KEY (reader, peer));
            CREATE TABLE IF NOT EXISTS outbox (n INTEGER PRIMARY KEY, id UNIQUE, receiver, content);""")

    def have(self):
        return dict(self.db.execute("SELECT peer, max(seq) FROM message GROUP BY peer ORDER BY peer"))

    def newest(self, peer):
        return self.db.execute("SELECT ifnull(max(seq), 0) FROM message WHERE peer = ?", [peer]).fetchone()[0]

    def keep(self, peer, message):
        row = [peer, message["seq"], message["from"], message.get("id"), message["content"]]
        self.db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)

    def marks_of(self, reader):
        return dict(self.db.execute("SELECT peer, upto FROM mark WHERE reader = ?", [reader]))

    def mark(self, reader, peer, upto):
        row = [reader, peer, upto]
        self.db.execute("INSERT INTO mark VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)", row)

    def write(self, to, content):
        """The id is chosen once, and stored with the text before the first attempt to send it."""
        self.db.execute("INSERT INTO outbox (id, receiver, content) VALUES (?, ?, ?)", [str(uuid.uuid4()), to, content])

    def waiting(self):
        return self.db.execute("SELECT id, receiver, content FROM outbox ORDER BY n").fetchall()

    def settle(self, message_id):
        self.db.execute("DELETE FROM outbox WHERE id = ?", [message_id])


class Client:
    def __init__(self, options):
        self.options, self.token, self.user_id = options, options.token, options.user_id
        self.store = Store(options.store)
        self.counts = Counter()  # what happened, for the tests
        self.silent = Counter()  # how often a message got no answer, by id
        self.written = asyncio.Event()
        self.attempt = 0
        self.session = None

    # --- connections -------------------------------------------------------------------------

    def login(self):
        body = json.dumps({"username": self.options.username, "password": self.options.password}).encode()
        request = urllib.request.Request(f"{self.options.url}/login", body, {"content-type": "application/json"})
        with OPENER.open(request, timeout=10) as answer:
            account = json.load(answer)
        self.token, self.user_id = account["access_token"], account["user_id"]
        self.counts["login"] += 1

    async def run(self):
        while True:
            at_least = 0
            try:
                if self.token is None:
                    await asyncio.to_thread(self.login)
                at_least = await self.connection()
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):
                    raise SystemExit(f"the login was refused: {error.code}") from None
                at_least = float(error.headers.get("retry-after") or 1)
            except InvalidStatus as error:
                at_least = self.refused(error.response)
            except (OSError, EOFError, http.client.HTTPException, ConnectionClosed):
                self.counts["unreachable"] += 1
            except Exception as error:  # noqa: BLE001: a handshake that was cut has many names
                if not type(error).__module__.startswith("websockets"):
                    raise
            await self.back_off(at_least)

    def refused(self, response):
        if response.status_code == 401:
            self.token = None
            return 0
        if response.status_code not in (429, 500, 502, 503, 504):
            raise SystemExit(f"the server refuses this client: {response.status_code} {response.body}")
        return float(response.headers.get("retry-after") or 1)

    async def back_off(self, at_least):
        """Full jitter: clients that were cut at the same moment must not come back at the same moment."""
        ceiling = min(self.options.max_delay, self.options.first_delay * 2 ** min(self.attempt, 30))
        self.attempt += 1
        await asyncio.sleep(at_least + random.uniform(0, ceiling))

    async def connection(self):
        """One connection, from its begin to its end. Returns how long to stay away at least."""
        address = f"{self.options.url.replace('http', 'ws', 1)}/ws/{self.user_id}"
        bearer = {"Authorization": f"Bearer {self.token}"}
        async with connect(address, additional_headers=bearer, proxy=None, open_timeout=10, close_timeout=2) as socket:
            session, begun = Session(self, socket), time.monotonic()
            self.session = session
            tasks = [asyncio.create_task(session.send_what_waits()), asyncio.create_task(session.lose_patience())]
            try:
                session.sync_all()
                await session.receive()
            except ConnectionClosed:
                pass
            finally:
                for task in tasks:
                    task.cancel()
        code = socket.close_code or 1006
        self.counts[str(code)] += 1
        if time.monotonic() - begun >= self.options.stable:
            self.attempt = 0
        if code == 4401:  # the token has expired: a new one, and at once
            self.token, self.attempt = None, 0
        if code == 1009 and session.unanswered:  # never again the largest that was on its way
            self.store.settle(max(session.unanswered, key=lambda one: len(session.unanswered[one].content)))
        if code in (1002, 1007):  # our own fault: the same would happen again
            raise SystemExit(f"the server closed with {code} {socket.close_reason}")
        return 15 if code == 1008 else 0


class Sent:
    """A message or a question that waits for its answer."""

    def __init__(self, content=""):
        self.content, self.at = content, time.monotonic()


class Session:
    """What lives as long as one connection."""

    def __init__(self, client, socket):
        self.client, self.store, self.socket = client, client.store, socket
        self.unanswered = {}  # our messages on this connection, by id, in the order they were sent
        self.ahead = {}  # by peer and seq: what came before the messages that precede it
        self.questions = []  # ranges of peers to ask about, [from, to]; the first is being asked
        self.question = None  # the id of the sync that is not answered yet
        self.asked = None

    async def receive(self):
        async for text in self.socket:
            frame = json.loads(text)
            handler = getattr(self, f"on_{frame.get('event')}", None)
            if handler:  # events that we do not know are left alone
                handler(frame)
            await self.ask()

    async def lose_patience(self):
        """Pings find a connection that is dead; this finds a server that forgot us. A message that
        nobody answers twice was dropped by a plugin, silently: tell the user."""
        while True:
            await asyncio.sleep(1)
            late = time.monotonic() - self.client.options.patience
            for message_id in [one for one, sent in self.unanswered.items() if sent.at < late]:
                self.client.silent[message_id] += 1
                if self.client.silent[message_id] > 1:
                    self.settle(message_id)
                else:
                    await self.socket.close()
            if self.question and self.asked.at < late:
                await self.socket.close()

    # --- our messages ------------------------------------------------------------------------

    async def send_what_waits(self):
        """In the order they were written, some at a time, each with the id that it has for ever."""
        while True:
            self.client.written.clear()
            for message_id, to, content in self.store.waiting():
                if len(self.unanswered) >= self.client.options.window:
                    break
                if message_id not in self.unanswered:
                    self.unanswered[message_id] = Sent(content)
                    await self.send({"event": "message", "to": to, "content": content, "id": message_id})
            await self.client.written.wait()

    async def send(self, frame):
        try:
            await self.socket.send(json.dumps(frame))
        except ConnectionClosed:
            pass  # `receive` sees it too, and the next connection begins with what is missing

    def settle(self, message_id):
        self.unanswered.pop(message_id, None)
        self.store.settle(message_id)
        self.client.written.set()

    # --- what the server sends ---------------------------------------------------------------

    def on_message(self, message):
        peer = self.take(message)
        if message["seq"] > self.store.newest(peer):
            self.sync_at(peer)  # a hole

    def take(self, message):
        """Live or from a sync, once or twice, in whatever order: `seq` decides."""
        peer = message["to"] if message["from"] == self.client.user_id else message["from"]
        newest = self.store.newest(peer)
        if message["seq"] <= newest + 1000:  # what is further ahead, a sync brings in its turn
            self.ahead.setdefault(peer, {})[message["seq"]] = message
        for seq in sorted(self.ahead.get(peer, {})):
            if seq > newest + 1:
                break
            joined = self.ahead[peer].pop(seq)
            if seq == newest + 1:
                self.store.keep(peer, joined)
                newest = seq
        # However it came back to us, it is stored there: this is the acknowledgement.
        if message["from"] == self.client.user_id and message.get("id"):
            self.settle(message["id"])
        return peer

    def on_seen(self, mark):
        self.store.mark(mark["from"], mark["to"], mark["upto"])

    async def seen(self, peer, upto):
        """Kept here first: should it be lost on the way, the next complete sync tells."""
        self.store.mark(self.client.user_id, peer, upto)
        await self.send({"event": "seen", "to": peer, "upto": upto})

    def on_error(self, error):
        frame_id, retry = error.get("id"), error["code"] in RETRY
        self.client.counts[f"refused {error['code']}"] += 1
        if not retry and frame_id in self.unanswered:
            self.settle(frame_id)  # it would be refused again: tell the user
        elif retry:
            pause = error.get("retry_after", 1) + random.uniform(0, self.client.options.first_delay)
            asyncio.get_running_loop().call_later(pause, self.again, frame_id)

    def again(self, frame_id):
        if frame_id == self.question:
            self.question = None
            asyncio.ensure_future(self.ask())
        self.unanswered.pop(frame_id, None)
        self.client.written.set()

    # --- sync --------------------------------------------------------------------------------

    def sync_all(self):
        self.questions = [(None, None)]
        asyncio.ensure_future(self.ask())

    def sync_at(self, peer):
        """About the peers from this one up to the next that we know."""
        question = (peer, min((other for other in self.store.have() if other > peer), default=None))
        if question not in self.questions:
            self.questions.append(question)

    async def ask(self):
        if self.question or not self.questions:
            return
        begin, end = self.questions[0]
        have = {peer: seq for peer, seq in self.store.have().items() if within(peer, begin, end)}
        if len(have) > self.client.options.named:  # more than fits into a frame: the first of them
            peers = sorted(have)
            cut = peers[self.client.options.named]
            self.questions[:1] = [(begin, cut), (cut, end)]
            have, end = {peer: have[peer] for peer in peers if peer < cut}, cut
        self.question, self.asked = str(uuid.uuid4()), Sent()
        self.client.counts["syncs"] += 1
        await self.send({"event": "sync", "have": have, "between": [begin, end], "id": self.question})

    def on_sync(self, answer):
        if answer.get("id") != self.question:
            return
        self.question = None
        for message in answer["messages"]:
            self.take(message)
        for mark in answer["seen"]:
            self.on_seen(mark)
        if answer["complete"]:
            begin, end = self.questions.pop(0)
            told = {mark["to"]: mark["upto"] for mark in answer["seen"] if mark["from"] == self.client.user_id}
            for peer, upto in self.store.marks_of(self.client.user_id).items():
                if within(peer, begin, end) and upto > told.get(peer, 0):
                    asyncio.ensure_future(self.seen(peer, upto))
            for peer in [peer for peer, ahead in self.ahead.items() if ahead]:
                self.sync_at(peer)


async def commands(client):
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        if send := command.get("send"):
            client.store.write(send["to"], send["content"])
            client.written.set()
        if seen := command.get("seen"):
            if client.session:
                await client.session.seen(seen["to"], seen["upto"])
            else:
                client.store.mark(client.user_id, seen["to"], seen["upto"])
        db = client.store.db
        if command.get("report") == "messages":
            rows = db.execute("SELECT peer, seq, sender, id, content FROM message ORDER BY peer, seq")
            print(json.dumps(rows.fetchall()), flush=True)
        if command.get("report") == "state":
            marks = db.execute("SELECT reader, peer, upto FROM mark ORDER BY reader, peer").fetchall()
            print(json.dumps({"have": client.store.have(), "marks": marks, "counts": client.counts,
                              "waiting": len(client.store.waiting())}), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    for name in ("url", "username", "password", "store", "token", "user-id"):
        parser.add_argument(f"--{name}")
    for name, default in (("first-delay", 0.5), ("max-delay", 30), ("stable", 5), ("patience", 15)):
        parser.add_argument(f"--{name}", type=float, default=default)
    for name, default in (("named", 1000), ("window", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    client = Client(parser.parse_args())
    running = asyncio.create_task(client.run())
    await asyncio.wait([running, asyncio.create_task(commands(client))], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(main())
