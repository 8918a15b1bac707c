// One conversation as this client holds it.
//
// Invariant: `messages` ascends by `seq` without a hole. What arrives beyond a hole waits in
// `ahead` until the hole is filled.

const MAX_AHEAD = 200;
const TRIM_ABOVE = 600;
const TRIM_TO = 200;
const TYPING_MS = 6_000;

/** A message of the server, or null if it is not one. */
export function readMessage(raw) {
  const texts = ['conversation', 'from', 'to', 'content', 'at'].every((name) => typeof raw?.[name] === 'string');
  if (!texts || !Number.isSafeInteger(raw.seq) || raw.seq < 1) return null;
  const time = Date.parse(raw.at);
  return {
    seq: raw.seq,
    from: raw.from,
    to: raw.to,
    content: raw.content,
    time: Number.isNaN(time) ? Date.now() : time,
    id: typeof raw.id === 'string' ? raw.id : null,
    changedBy: Array.isArray(raw.changed_by) ? raw.changed_by.filter((name) => typeof name === 'string') : [],
  };
}

export class Conversation {
  messages = [];
  /** Whether it is on screen. */
  open = false;
  ahead = new Map();
  profile = null;
  /** Up to where this user has seen it, and up to where the peer has. */
  mine = 0;
  theirs = 0;
  unread = 0;
  typingUntil = 0;
  /** What was seen when the conversation was opened: the line "unread" follows it. Null: no line. */
  seenAtOpening = null;
  /** Loading older messages: "idle", "busy" or "failed". */
  history = 'idle';
  /** Whether a page of history was ever fetched. */
  read = false;
  /** When it was begun here, for one without messages. */
  begunAt = 0;

  constructor(peer, me) {
    this.peer = peer;
    this.me = me;
  }

  get low() {
    return this.messages[0]?.seq ?? 0;
  }

  get high() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get last() {
    return this.messages.at(-1) ?? null;
  }

  /** Whether the first message of all is held, or there is none. */
  get whole() {
    return this.low <= 1;
  }

  get toSelf() {
    return this.peer === this.me;
  }

  get typing() {
    return this.typingUntil > Date.now();
  }

  /**
   * Takes a newer message. Answers the messages that joined the conversation (none if it was
   * known), or null if messages before it are missing.
   */
  take(message) {
    if (this.messages.length && message.seq <= this.high) return [];
    if (this.messages.length && message.seq > this.high + 1) {
      if (this.ahead.size < MAX_AHEAD) this.ahead.set(message.seq, message);
      return null;
    }
    const joined = [message];
    this.#append(message);
    for (const seq of [...this.ahead.keys()].sort((a, b) => a - b)) {
      if (seq > this.high + 1) break;
      const waiting = this.ahead.get(seq);
      this.ahead.delete(seq);
      if (seq !== this.high + 1) continue;
      joined.push(waiting);
      this.#append(waiting);
    }
    return joined;
  }

  #append(message) {
    this.messages.push(message);
    if (message.from === this.me) return;
    this.typingUntil = 0;
    if (message.seq > this.mine) this.unread += 1;
  }

  /** Takes a page of older messages: those that join on to what is held. */
  prepend(page) {
    const joining = [];
    let next = this.low ? this.low - 1 : page.at(-1)?.seq ?? 0;
    for (const message of page.slice().reverse()) {
      if (message.seq === next) {
        joining.push(message);
        next -= 1;
      }
    }
    this.messages.unshift(...joining.reverse());
    return joining.length;
  }

  /**
   * Takes what the list says of the conversation; `last` is its newest message. Answers false if
   * messages before that one are missing.
   */
  summarise(last, unread, mine, theirs) {
    this.mine = Math.max(this.mine, mine);
    this.theirs = Math.max(this.theirs, theirs);
    if (last.seq < this.high) return true;
    if (last.seq > this.high + 1 && !this.open) {
      this.messages = [last];
      this.ahead.clear();
    } else if (this.take(last) === null) {
      return false;
    }
    this.unread = this.mine >= this.high ? 0 : unread;
    return true;
  }

  /** This user has seen all up to `upto`, here or on another device. */
  seenByMe(upto) {
    if (upto <= this.mine) return;
    this.mine = upto;
    if (upto >= this.high) this.unread = 0;
    else if (this.low <= upto + 1) {
      this.unread = this.messages.filter((message) => message.from === this.peer && message.seq > upto).length;
    }
  }

  seenByPeer(upto) {
    this.theirs = Math.max(this.theirs, upto);
  }

  setTyping(on) {
    this.typingUntil = on ? Date.now() + TYPING_MS : 0;
  }

  /** Lets go of old messages of a conversation that is not looked at. */
  trim() {
    if (!this.open && this.messages.length > TRIM_ABOVE) this.messages = this.messages.slice(-TRIM_TO);
  }

  /** Where the line "unread" is drawn: the `seq` of the message after it, or 0. */
  get divider() {
    const seen = this.seenAtOpening;
    if (seen === null || (!this.whole && this.low > seen + 1)) return 0;
    return this.messages.find((message) => message.from === this.peer && message.seq > seen)?.seq ?? 0;
  }
}
