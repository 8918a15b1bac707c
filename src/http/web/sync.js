// Closes holes: asks the server for what is missing until it says that nothing is, a range of
// peers at a time, because a frame holds only so many names.

import { newId } from './outbox.js';

const ANSWER_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;
// A frame of 64 KiB holds some 1,400 ids and numbers.
const MOST_NAMED = 1_000;
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

// The same frame may succeed later.
const RETRY = new Set(['rate_limited', 'overloaded', 'unavailable', 'plugin_failed', 'internal']);

/** Whether a frame that was refused with this code is worth another try. */
export const mayRetry = (code) => RETRY.has(code);

/** How long to wait before try number `attempt` (from 0), in ms: full jitter, beyond what the server asks for. */
export function pause(attempt, retryAfter) {
  const least = Number.isFinite(retryAfter) ? retryAfter * 1_000 : 0;
  return least + Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
}

export class Sync {
  #options;
  /** What is still to be asked about: ranges of peers [from, to), open where null; the first is being asked. */
  #ranges = [];
  /** The id of the question that is not answered yet, or null. */
  #id = null;
  #named = 0;
  #most = MOST_NAMED;
  #attempt = 0;
  #again = false;
  #timer = null;

  /**
   * `conversations()`; `whole()`, whether these are all there are; `send(frame)`;
   * `take(messages, marks)` which says if it brought anything; `silent()`.
   */
  constructor(options) {
    this.#options = options;
  }

  /** Asks soon, or again after what is being asked. */
  request(delay = 0) {
    if (this.#ranges.length) this.#again = true;
    else if (!this.#timer) this.#timer = setTimeout(() => this.#begin(), delay);
  }

  /** The connection is gone, and with it the question. */
  reset() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#ranges = [];
    this.#id = null;
    this.#attempt = 0;
    this.#again = false;
  }

  answer(frame) {
    if (this.#id === null || frame.id !== this.#id) return;
    this.#answered();
    this.#attempt = 0;
    const messages = Array.isArray(frame.messages) ? frame.messages : [];
    const marks = Array.isArray(frame.seen) ? frame.seen : [];
    const progress = this.#options.take(messages, marks);
    // An answer that is not complete and brings nothing new would be asked for for ever.
    if (frame.complete !== false || !progress) this.#ranges.shift();
    this.#ask();
  }

  /** The server refused a frame; says whether it was the question. */
  refused(frame) {
    if (this.#id === null || frame.id !== this.#id) return false;
    this.#answered();
    if (mayRetry(frame.code)) this.#timer = setTimeout(() => this.#ask(), pause(this.#attempt, frame.retry_after));
    else this.reset();
    this.#attempt += 1;
    return true;
  }

  /** The server found a frame too big; says whether it may have been the question. */
  tooBig() {
    if (this.#id === null || this.#named < 2) return false;
    this.#most = Math.ceil(this.#named / 2);
    return true;
  }

  #answered() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#id = null;
  }

  #begin() {
    this.#timer = null;
    this.#again = false;
    // Of a list that goes on, the rest must not be asked about: it would come from its beginning.
    this.#ranges = this.#options.whole()
      ? [[null, null]]
      : this.#held(null, null).filter(({ open, ahead }) => open || ahead.size).map(({ peer }) => [peer, after(peer)]);
    this.#ask();
  }

  #held(from, to) {
    return [...this.#options.conversations()]
      .filter(({ peer, high }) => high > 0 && (from === null || from <= peer) && (to === null || peer < to))
      .sort((a, b) => (a.peer < b.peer ? -1 : 1));
  }

  #ask() {
    this.#timer = null;
    if (!this.#ranges.length) {
      if (this.#again) this.request();
      return;
    }
    const [from, to] = this.#ranges[0];
    const named = this.#held(from, to);
    if (named.length > this.#most) {
      const cut = named[this.#most].peer;
      this.#ranges.splice(0, 1, [from, cut], [cut, to]);
      named.length = this.#most;
    }
    const have = Object.fromEntries(named.map(({ peer, high }) => [peer, high]));
    const id = newId();
    if (!this.#options.send({ event: 'sync', have, between: this.#ranges[0], id })) {
      this.reset();
      return;
    }
    this.#id = id;
    this.#named = named.length;
    this.#timer = setTimeout(() => {
      this.reset();
      this.#options.silent();
    }, ANSWER_TIMEOUT_MS);
  }
}

/** The id that follows this one, or null: with it a range holds one peer. */
function after(id) {
  for (let at = id.length - 1; at > 0; at -= 1) {
    const digit = DIGITS.indexOf(id[at]);
    if (digit < DIGITS.length - 1) return id.slice(0, at) + DIGITS[digit + 1] + '0'.repeat(id.length - at - 1);
  }
  return null;
}
