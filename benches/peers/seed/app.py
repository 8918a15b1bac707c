"""The seed's stack at its best: FastAPI, uvicorn and Redis, in one small chat server.

POST /register and /login give a JWT; /ws/{user_id}?token= carries `message`, `typing` and `seen`.
Redis keeps accounts and messages, and its pub/sub carries every event to the processes: each has
one subscriber, which hands an event to the recipient's sockets here. It speaks confab's JSON, so
that one load generator measures both.
"""

import asyncio
import contextlib
import hashlib
import os
import time
import uuid
from collections import defaultdict
from datetime import UTC, datetime

import jwt
import orjson
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from redis.asyncio import BlockingConnectionPool, Redis

SECRET_KEY = os.environ["SECRET_KEY"]
ALGORITHM = "HS256"
TOKEN_LIFETIME = 24 * 3600
EVENTS = "user:"

# Stores, numbers and publishes a message in one round trip. The list's length is the number.
SAVE = """
local seq = redis.call('RPUSH', KEYS[1], ARGV[2])
local frame = '{"event":"message","seq":' .. seq .. ',' .. ARGV[2]
redis.call('PUBLISH', ARGV[1], frame)
return frame
"""

# From 4 to 256 connections it was about as fast.
pool = BlockingConnectionPool.from_url(
    os.environ["REDIS_URL"], max_connections=32, timeout=None
)
redis = Redis(connection_pool=pool)
save = redis.register_script(SAVE)


class ConnectionManager:
    """Who is connected to this process."""

    def __init__(self):
        self.sockets = defaultdict(set)

    def connect(self, user_id, socket):
        self.sockets[user_id].add(socket)

    def disconnect(self, user_id, socket):
        self.sockets[user_id].discard(socket)
        if not self.sockets[user_id]:
            del self.sockets[user_id]

    async def deliver(self, user_id, frame):
        for socket in tuple(self.sockets.get(user_id, ())):
            # One that has just gone.
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_text(frame)

    async def subscribe(self, ready):
        """Delivers what any process publishes to the users who are connected to this one."""
        async with redis.pubsub() as events:
            await events.psubscribe(EVENTS + "*")
            ready.set()
            skip = len(EVENTS)
            async for event in events.listen():
                if event["type"] == "pmessage":
                    user_id = event["channel"][skip:].decode()
                    if user_id in self.sockets:
                        await self.deliver(user_id, event["data"].decode())


manager = ConnectionManager()


@contextlib.asynccontextmanager
async def lifespan(_app):
    ready = asyncio.Event()
    subscriber = asyncio.create_task(manager.subscribe(ready))
    await ready.wait()
    yield
    subscriber.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await subscriber
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


class Credentials(BaseModel):
    username: str
    password: str


def hash_password(password, salt):
    # Cheap: signing up is not measured.
    return hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1)


def signed_in(user_id, username):
    claims = {"sub": user_id, "exp": int(time.time()) + TOKEN_LIFETIME}
    return {
        "user_id": user_id,
        "username": username,
        "access_token": jwt.encode(claims, SECRET_KEY, algorithm=ALGORITHM),
        "token_type": "bearer",
        "expires_in": TOKEN_LIFETIME,
    }


@app.post("/register", status_code=201)
async def register(body: Credentials):
    user_id, salt = uuid.uuid4().hex, os.urandom(16)
    account = {"id": user_id, "salt": salt.hex()}
    account["hash"] = (await asyncio.to_thread(hash_password, body.password, salt)).hex()
    if not await redis.hsetnx("accounts", body.username, orjson.dumps(account)):
        raise HTTPException(409, "username taken")
    return signed_in(user_id, body.username)


@app.post("/login")
async def login(body: Credentials):
    stored = await redis.hget("accounts", body.username)
    account = orjson.loads(stored) if stored else {"id": "", "salt": "", "hash": ""}
    salt = bytes.fromhex(account["salt"])
    hashed = await asyncio.to_thread(hash_password, body.password, salt)
    if hashed.hex() != account["hash"]:
        raise HTTPException(401, "wrong username or password")
    return signed_in(account["id"], body.username)


def authorized(socket, user_id):
    token = socket.query_params.get("token")
    if token is None:
        token = socket.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM])["sub"] == user_id
    except (jwt.InvalidTokenError, KeyError):
        return False


@app.websocket("/ws/{user_id}")
async def session(socket: WebSocket, user_id: str):
    if not authorized(socket, user_id):
        await socket.close(1008)
        return
    await socket.accept()
    manager.connect(user_id, socket)
    try:
        while True:
            await handle(socket, user_id, orjson.loads(await socket.receive_text()))
    except (WebSocketDisconnect, RuntimeError):
        # Gone, or gone while it was being answered.
        pass
    finally:
        manager.disconnect(user_id, socket)


async def handle(socket, user_id, event):
    kind, to = event.get("event"), event.get("to")
    if kind == "message":
        pair = "_".join(sorted((user_id, to)))
        message = {
            "conversation": pair,
            "from": user_id,
            "to": to,
            "content": event["content"],
            "at": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        }
        if "id" in event:
            message["id"] = event["id"]
        # Without its opening brace: SAVE puts the number before.
        frame = await save(
            keys=["messages:" + pair], args=[EVENTS + to, orjson.dumps(message)[1:]]
        )
        await socket.send_text(frame.decode())
    elif kind in ("typing", "seen"):
        event["from"] = user_id
        await redis.publish(EVENTS + to, orjson.dumps(event))
    else:
        error = {"event": "error", "code": "unknown_event", "message": "unknown event"}
        await socket.send_text(orjson.dumps(error).decode())
