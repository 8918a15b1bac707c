// The running session: what the server sends goes into the store, what the user does goes out.

import { Api, address, sentence } from './api.js';
import { readMessage } from './conversation.js';
import { Listing } from './listing.js';
import { Outbox } from './outbox.js';
import { granted, renew, saveSession } from './session.js';
import { Socket } from './socket.js';
import { Sync, mayRetry, pause } from './sync.js';

const HISTORY_PAGE = 50;
const ECHO_TIMEOUT_MS = 10_000;
const SENDS = 2;
// So often a message is sent again by itself that the server could not take yet.
const REFUSALS = 6;
const HOLE_DELAY_MS = 250;
const SEEN_DELAY_MS = 250;
const TYPING_EVERY_MS = 3_000;
const TYPING_IDLE_MS = 4_500;
// A server's default frame is 64 KiB; the rest is room for the envelope.
const MAX_CONTENT_BYTES = 60_000;

export class Client {
  #hooks;
  #session;
  #sync;
  #sends = new Map();
  #seen = { peer: null, timer: null };
  #typing = { peer: null, since: 0, timer: null };
  #changing = null;
  #stopped = false;

  /** `hooks`: `onExpired()`, `onIncoming(conversation, message)` for what arrives live. */
  constructor(session, store, hooks) {
    this.#hooks = hooks;
    this.store = store;
    this.#session = session;
    this.api = new Api(session, (token) => renew(session, token));
    this.outbox = new Outbox(session.user_id);
    this.listing = new Listing(this.api, store, {
      failed: (error) => this.#failed(error),
      hole: () => this.#sync.request(HOLE_DELAY_MS),
      unmarked: ({ peer, mine }) => this.socket.send({ event: 'seen', to: peer, upto: mine }),
    });
    const url = address(`ws/${encodeURIComponent(session.user_id)}`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.socket = new Socket({
      url: url.href,
      protocols: () => ['confab.v1', `bearer.${session.token}`],
      onOpen: () => this.#opened(),
      onFrame: (frame) => this.#frame(frame),
      onState: (state, note) => this.#state(state, note),
      onTooBig: () => this.#sync.tooBig() || this.#tooBig(),
      onExpired: () => this.#expired(),
      check: () => this.#check(),
    });
    this.#sync = new Sync({
      conversations: () => store.conversations.values(),
      whole: () => store.listing === 'ready' && store.cursor === null,
      send: (frame) => this.socket.send(frame),
      take: (messages, marks) => this.#synced(messages, marks),
      silent: () => this.socket.restart(),
    });
  }

  start() {
    document.addEventListener('visibilitychange', this.#shown);
    this.socket.start();
  }

  stop() {
    this.#stopped = true;
    document.removeEventListener('visibilitychange', this.#shown);
    this.socket.stop();
    this.#forgetConnection();
    this.listing.stop();
    clearTimeout(this.#seen.timer);
  }

  // What the user does.

  /** Finds or begins the conversation with a typed username. */
  async begin(name) {
    const profile = await this.api.userByName(name);
    const conversation = this.store.conversation(profile.user_id);
    conversation.profile = profile;
    conversation.begunAt ||= Date.now();
    this.store.changed();
    return conversation.peer;
  }

  /** Sends a text; answers a reason if it can't be kept. */
  write(peer, content) {
    if (new TextEncoder().encode(JSON.stringify(content)).length > MAX_CONTENT_BYTES) {
      return 'This message is too long. Please send it in parts.';
    }
    const entry = this.outbox.add(peer, content);
    if (!entry) return 'Too many messages are waiting to be sent. Please wait until the connection is back.';
    this.store.conversation(peer).seenAtOpening = null;
    this.#transmit(entry);
    this.store.changed();
    return '';
  }

  retry(id) {
    this.outbox.mark(id, null);
    const entry = this.outbox.find(id);
    if (entry) this.#transmit(entry);
    this.store.changed();
  }

  discard(id) {
    this.#settle(id);
    this.store.changed();
  }

  /** The user's eyes are on the end of this conversation. */
  look(conversation) {
    if (conversation.toSelf || !conversation.unread || this.#seen.peer === conversation.peer) return;
    clearTimeout(this.#seen.timer);
    this.#seen.peer = conversation.peer;
    this.#seen.timer = setTimeout(() => {
      this.#seen.peer = null;
      if (document.hidden || !conversation.open) return;
      const upto = conversation.high;
      if (!this.socket.send({ event: 'seen', to: conversation.peer, upto })) return;
      conversation.seenByMe(upto);
      this.store.changed();
    }, SEEN_DELAY_MS);
  }

  /** The user is writing to `peer`, or no longer is. */
  typing(peer, on) {
    if (peer === this.store.me.user_id) return;
    const typing = this.#typing;
    if (typing.peer && (!on || typing.peer !== peer)) {
      clearTimeout(typing.timer);
      this.socket.send({ event: 'typing', to: typing.peer, on: false });
      typing.peer = null;
    }
    if (!on) return;
    clearTimeout(typing.timer);
    typing.timer = setTimeout(() => this.typing(peer, false), TYPING_IDLE_MS);
    if (typing.peer === peer && Date.now() - typing.since < TYPING_EVERY_MS) return;
    typing.peer = peer;
    typing.since = Date.now();
    this.socket.send({ event: 'typing', to: peer, on: true });
  }

  /** Fetches the page of history before what is held. */
  async loadOlder(conversation) {
    if (conversation.history === 'busy') return;
    conversation.history = 'busy';
    this.store.changed();
    try {
      const page = await this.api.history(conversation.peer, conversation.low || undefined, HISTORY_PAGE);
      if (this.#stopped) return;
      conversation.prepend((page?.messages ?? []).map(readMessage).filter(Boolean));
      conversation.history = 'idle';
      conversation.read = true;
    } catch (error) {
      conversation.history = 'failed';
      this.#failed(error);
    }
    this.store.changed();
  }

  /** Changes the password. All sessions of the user end with it; this one goes on with a new token. */
  async changePassword(current, next) {
    const changing = this.api.changePassword(current, next);
    this.#changing = changing.catch(() => {});
    Object.assign(this.#session, granted(await changing));
    if (this.#stopped) return;
    saveSession(this.#session);
    this.socket.replace();
  }

  // What the connection does.

  #opened() {
    for (const entry of this.outbox.entries) if (!entry.failed) this.#transmit(entry);
    const { open } = this.store;
    if (open?.history === 'failed') this.loadOlder(open);
    this.listing.refresh().then((current) => {
      if (current) this.#sync.request();
    });
  }

  #state(state, note) {
    if (state !== 'open') this.#forgetConnection();
    const { connection } = this.store;
    const since = state === 'open' || connection.state === 'open' ? Date.now() : connection.since;
    this.store.connection = { state, note, since };
    this.store.changed();
  }

  #forgetConnection() {
    this.#sync.reset();
    for (const send of this.#sends.values()) clearTimeout(send.timer);
    clearTimeout(this.#typing.timer);
    this.#typing.peer = null;
  }

  #shown = () => {
    // A connection may have died while the page slept; the answer will tell.
    if (!document.hidden && this.socket.open) this.#sync.request();
  };

  async #check() {
    try {
      await this.api.me();
      return true;
    } catch (error) {
      return error.status !== 401;
    }
  }

  async #expired() {
    const { token } = this.#session;
    // The end that a change of the password brings comes before its answer.
    await this.#changing;
    if (this.#stopped) return;
    try {
      if (await renew(this.#session, token)) this.socket.retryNow();
      else if (!this.#stopped) this.#hooks.onExpired();
    } catch {
      // No answer: the next attempt to connect asks again.
      this.socket.restart();
    }
  }

  #failed(error) {
    if (error.status === 401) this.#expired();
  }

  #transmit(entry) {
    const send = this.#sends.get(entry.id) ?? { count: 0, refused: 0, timer: null };
    if (!this.socket.send({ event: 'message', to: entry.to, content: entry.content, id: entry.id })) return;
    send.count += 1;
    clearTimeout(send.timer);
    send.timer = setTimeout(() => {
      if (send.count < SENDS) this.socket.restart();
      else this.#refuse(entry.id, 'The server did not confirm this message.');
    }, ECHO_TIMEOUT_MS);
    this.#sends.set(entry.id, send);
  }

  #settle(id) {
    clearTimeout(this.#sends.get(id)?.timer);
    this.#sends.delete(id);
    this.outbox.remove(id);
  }

  #refuse(id, reason) {
    clearTimeout(this.#sends.get(id)?.timer);
    this.#sends.delete(id);
    this.outbox.mark(id, reason);
    this.store.changed();
  }

  #tooBig() {
    const onTheWay = this.outbox.entries.filter(({ id, failed }) => !failed && this.#sends.has(id));
    onTheWay.sort((a, b) => b.content.length - a.content.length);
    if (onTheWay.length) this.#refuse(onTheWay[0].id, 'This message is too big for the server.');
  }

  // What the server sends.

  #frame(frame) {
    const readers = {
      message: () => this.#message(frame),
      typing: () => this.#peerTypes(frame),
      seen: () => this.#mark(frame),
      sync: () => this.#sync.answer(frame),
      error: () => this.#error(frame),
    };
    if (!Object.hasOwn(readers, frame.event)) return;
    readers[frame.event]();
    this.store.changed();
  }

  #message(frame) {
    const message = readMessage(frame);
    if (!message) return;
    const { conversation, joined } = this.#take(message);
    if (joined === null) this.#sync.request(HOLE_DELAY_MS);
    for (const one of joined ?? []) {
      if (one.from === conversation.peer && !conversation.toSelf) this.#hooks.onIncoming(conversation, one);
    }
    if (!conversation.profile) this.listing.missing();
    conversation.trim();
  }

  #take(message) {
    const { user_id: me } = this.store.me;
    const conversation = this.store.conversation(message.from === me ? message.to : message.from);
    const joined = conversation.take(message);
    for (const one of joined ?? []) if (one.from === me && one.id) this.#settle(one.id);
    // The echo of a message sent again may be one that is held already.
    if (joined?.length === 0 && message.from === me && message.id) this.#settle(message.id);
    return { conversation, joined };
  }

  #synced(messages, marks) {
    let progress = false;
    const touched = new Set();
    for (const message of messages.map(readMessage)) {
      if (!message) continue;
      const { conversation, joined } = this.#take(message);
      progress ||= joined?.length > 0;
      touched.add(conversation);
    }
    for (const mark of marks) this.#mark(mark);
    for (const conversation of touched) conversation.trim();
    if ([...touched].some(({ profile }) => !profile)) this.listing.missing();
    return progress;
  }

  #mark(frame) {
    const { user_id: me } = this.store.me;
    if (!Number.isSafeInteger(frame.upto)) return;
    if (frame.from === me) this.store.conversations.get(frame.to)?.seenByMe(frame.upto);
    else this.store.conversations.get(frame.from)?.seenByPeer(frame.upto);
  }

  #peerTypes(frame) {
    const conversation = this.store.conversations.get(frame.from);
    if (!conversation || conversation.toSelf) return;
    conversation.setTyping(frame.on !== false);
    if (conversation.typing) setTimeout(() => this.store.changed(), conversation.typingUntil - Date.now() + 20);
  }

  #error(frame) {
    if (this.#sync.refused(frame)) return;
    const entry = typeof frame.id === 'string' ? this.outbox.find(frame.id) : null;
    if (!entry) return;
    const send = this.#sends.get(entry.id);
    if (!send || !mayRetry(frame.code) || send.refused >= REFUSALS) {
      this.#refuse(entry.id, sentence(typeof frame.message === 'string' ? frame.message : ''));
      return;
    }
    // With the same id: should it have been stored after all, this brings the original.
    clearTimeout(send.timer);
    send.count -= 1;
    send.timer = setTimeout(() => this.#transmit(entry), pause(send.refused, frame.retry_after));
    send.refused += 1;
  }
}
