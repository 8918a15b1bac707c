// A chat relay on ws: it parses a message, forwards it and acknowledges it, and stores nothing.
// It speaks confab's JSON, so that one load generator measures both.

import { createHmac, randomBytes, randomUUID, scryptSync, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const SECRET_KEY = process.env.SECRET_KEY;
const TOKEN_LIFETIME = 24 * 3600;
const accounts = new Map(); // username -> { userId, salt, hash }
const sockets = new Map(); // user id -> Set of sockets
const counters = new Map(); // conversation -> number of its last message

const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");
const sign = (text) => createHmac("sha256", SECRET_KEY).update(text).digest();

function issue(userId) {
  const claims = { sub: userId, exp: Math.floor(Date.now() / 1000) + TOKEN_LIFETIME };
  const text = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${text}.${sign(text).toString("base64url")}`;
}

// The user whom a token speaks for, or undefined.
function verify(token) {
  const [header, claims, signature] = token.split(".");
  if (header !== HEADER || !signature) return undefined;
  const given = Buffer.from(signature, "base64url");
  const right = sign(`${header}.${claims}`);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url"));
  return exp * 1000 > Date.now() ? sub : undefined;
}

// Cheap: signing up is not measured.
const hash = (password, salt) => scryptSync(password, salt, 32, { N: 1024 });

function sessionFor(username, account) {
  return {
    user_id: account.userId,
    username,
    access_token: issue(account.userId),
    token_type: "bearer",
    expires_in: TOKEN_LIFETIME,
  };
}

function answer(path, { username, password }) {
  let account = accounts.get(username);
  if (path === "/register") {
    if (account) return [409, { code: "username_taken", message: "username taken" }];
    const salt = randomBytes(16);
    account = { userId: randomUUID().replaceAll("-", ""), salt, hash: hash(password, salt) };
    accounts.set(username, account);
    return [201, sessionFor(username, account)];
  }
  if (path === "/login") {
    if (account && timingSafeEqual(hash(password, account.salt), account.hash)) {
      return [200, sessionFor(username, account)];
    }
    return [401, { code: "bad_credentials", message: "wrong username or password" }];
  }
  return [404, { code: "not_found", message: "not found" }];
}

const http = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    let status, body;
    try {
      [status, body] = answer(request.url, JSON.parse(Buffer.concat(parts) || "{}"));
    } catch {
      [status, body] = [400, { code: "malformed", message: "malformed request" }];
    }
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  });
});

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });

http.on("upgrade", (request, socket, head) => {
  const [path, query] = request.url.split("?", 2);
  const userId = path.slice("/ws/".length);
  let token = new URLSearchParams(query).get("token");
  token ??= request.headers.authorization?.slice("Bearer ".length) ?? "";
  if (!path.startsWith("/ws/") || verify(token) !== userId) {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  server.handleUpgrade(request, socket, head, (ws) => open(ws, userId));
});

function open(ws, userId) {
  if (!sockets.has(userId)) sockets.set(userId, new Set());
  sockets.get(userId).add(ws);
  ws.on("message", (data) => handle(ws, userId, JSON.parse(data)));
  ws.on("error", () => ws.terminate());
  ws.on("close", () => {
    sockets.get(userId).delete(ws);
    if (sockets.get(userId).size === 0) sockets.delete(userId);
  });
}

function deliver(userId, frame) {
  for (const ws of sockets.get(userId) ?? []) ws.send(frame);
}

function handle(ws, userId, event) {
  if (event.event === "message") {
    const to = event.to;
    const conversation = userId < to ? `${userId}_${to}` : `${to}_${userId}`;
    const seq = (counters.get(conversation) ?? 0) + 1;
    counters.set(conversation, seq);
    const frame = JSON.stringify({
      event: "message",
      conversation,
      seq,
      from: userId,
      to,
      content: event.content,
      at: new Date().toISOString(),
      id: event.id,
    });
    deliver(to, frame);
    ws.send(frame);
  } else if (event.event === "typing" || event.event === "seen") {
    deliver(event.to, JSON.stringify({ ...event, from: userId }));
  } else {
    ws.send('{"event":"error","code":"unknown_event","message":"unknown event"}');
  }
}

http.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
