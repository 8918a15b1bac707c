"""A client that is not ours, with the seed's protocol and nothing else.

    seed_client.py --url http://127.0.0.1:8080

Registers, logs in, connects to `/ws/{user_id}?token=`, and sends `message`, `typing` and `seen`
without any id. Exits with 1 and says what failed at the first failure.
"""

import argparse
import json
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

PASSWORD = "a long enough password"
DEADLINE = 10
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check(held, what):
    if not held:
        raise AssertionError(what)


def post(url, body, kind="application/json"):
    """Status and JSON of a POST; the body is JSON or a form."""
    data = json.dumps(body) if kind == "application/json" else urllib.parse.urlencode(body)
    request = urllib.request.Request(url, data.encode(), {"content-type": kind})
    try:
        with OPENER.open(request, timeout=DEADLINE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def account(url, name):
    """Registers and logs in, in every way the seed knew; answers (user_id, token)."""
    pair = {"username": name, "password": PASSWORD}
    status, made = post(f"{url}/register", pair)
    check(status == 201, f"register answered {status} {made}")
    check(made["token_type"].lower() == "bearer", f"register gave the token type {made['token_type']}")
    status, again = post(f"{url}/register", pair)
    check(status == 409 and again["code"] == "username_taken", f"registering twice answered {status} {again}")
    status, refused = post(f"{url}/login", pair | {"password": "not the password"})
    check(status == 401 and refused["code"] and refused["message"], f"a wrong password answered {status} {refused}")
    status, form = post(f"{url}/login", pair, "application/x-www-form-urlencoded")
    check(status == 200 and form["user_id"] == made["user_id"], f"login with a form answered {status} {form}")
    status, login = post(f"{url}/login", pair)
    check(status == 200 and login["user_id"] == made["user_id"], f"login answered {status} {login}")
    return login["user_id"], login["access_token"]


class Client:
    """A session; used as a context."""

    def __init__(self, url, user_id, token):
        self.user_id = user_id
        address = f"{url.replace('http', 'ws', 1)}/ws/{user_id}?token={token}"
        self.connection = connect(address, proxy=None, open_timeout=DEADLINE)

    def __enter__(self):
        self.socket = self.connection.__enter__()
        return self

    def __exit__(self, *error):
        return self.connection.__exit__(*error)

    def send(self, **frame):
        self.socket.send(json.dumps(frame))

    def receive(self, **expected):
        """The next frame with these values; others are skipped, but an error is a failure."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                frame = json.loads(self.socket.recv(timeout=max(0, end - time.monotonic())))
            except TimeoutError:
                raise AssertionError(f"no frame with {expected} within {DEADLINE} s") from None
            if all(frame.get(name) == value for name, value in expected.items()):
                return frame
            check(frame.get("event") != "error", f"instead of {expected}: {frame}")


def refused(url, user_id, token, status):
    try:
        with Client(url, user_id, token):
            pass
    except InvalidStatus as error:
        answered = error.response.status_code
        check(answered == status, f"the upgrade was refused with {answered}, not {status}")
        return
    raise AssertionError(f"a connection that should be refused with {status} was accepted")


def run(url):
    tag = secrets.token_hex(3)
    ann_id, ann_token = account(url, f"seed-ann-{tag}")
    ben_id, ben_token = account(url, f"seed-ben-{tag}")
    refused(url, ann_id, "not-a-token", 401)
    refused(url, ann_id, ben_token, 403)
    with Client(url, ann_id, ann_token) as ann, Client(url, ben_id, ben_token) as ben:
        converse(ann, ben)


def converse(ann, ben):
    ann_id, ben_id = ann.user_id, ben.user_id
    conversation = "_".join(sorted([ann_id, ben_id]))
    keys = {"event", "conversation", "seq", "from", "to", "content", "at"}

    for seq, (sender, recipient, text) in enumerate(
            [(ann, ben, "hello"), (ben, ann, "hi, ünïcode 🎉"), (ann, ben, "<b>& \"quotes\"")], 1):
        sender.send(event="message", to=recipient.user_id, content=text)
        echo = sender.receive(event="message", content=text)
        delivered = recipient.receive(event="message", content=text)
        check(echo == delivered, f"the echo {echo} differs from what was delivered {delivered}")
        check(set(echo) == keys, f"the fields of a message are {sorted(echo)}")
        check((echo["conversation"], echo["seq"]) == (conversation, seq), f"message {seq} came as {echo}")
        check((echo["from"], echo["to"]) == (sender.user_id, recipient.user_id), f"wrong ends: {echo}")
        check(echo["at"].endswith("Z") and len(echo["at"]) == 24, f"the time is {echo['at']}")

    ben.send(event="typing", to=ann_id)
    typing = ann.receive(event="typing")
    check((typing["from"], typing["to"], typing["on"]) == (ben_id, ann_id, True), f"typing came as {typing}")

    ben.send(event="seen", to=ann_id)
    seen = ann.receive(event="seen")
    check((seen["from"], seen["to"], seen["upto"]) == (ben_id, ann_id, 3), f"seen came as {seen}")

    ann.send(event="message", to="01jzzzzzzzzzzzzzzzzzzzzzzz", content="nobody is there")
    error = ann.receive(event="error")
    check(error["code"] and error["message"], f"an unknown recipient answered {error}")
    ann.socket.send("this is not JSON")
    error = ann.receive(event="error")
    check(error["code"] and error["message"], f"malformed JSON answered {error}")

    ann.send(event="message", to=ben_id, content="still here")
    check(ben.receive(event="message", content="still here")["seq"] == 4, "a refused message took a seq")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    try:
        run(parser.parse_args().url.rstrip("/"))
    except Exception as error:  # noqa: BLE001: whatever it is, say it
        print(f"FAILED: {error if isinstance(error, AssertionError) else repr(error)}", file=sys.stderr)
        return 1
    print("ok: the seed's client works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
