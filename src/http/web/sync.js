// Closes holes: asks the server for what is missing until it says that nothing is.

const ANSWER_TIMEOUT_MS = 10_000;
const REFUSED_DELAY_MS = 2_000;
// A frame of 64 KiB holds about this many ids and numbers.
const MAX_NAMED = 1_500;

export class Sync {
  #options;
  #waiting = null;
  #again = false;
  #timer = null;

  /** `conversations()`, `send(frame)`, `take(messages, marks)` which says if it brought anything, `silent()`. */
  constructor(options) {
    this.#options = options;
  }

  /** Asks soon, or again after the answer that is awaited. */
  request(delay = 0) {
    if (this.#waiting) this.#again = true;
    else if (!this.#timer) this.#timer = setTimeout(() => this.#ask(), delay);
  }

  /** The connection is gone, and with it the question. */
  reset() {
    clearTimeout(this.#timer);
    clearTimeout(this.#waiting);
    this.#timer = null;
    this.#waiting = null;
    this.#again = false;
  }

  answer(frame) {
    const again = this.#again;
    this.reset();
    const messages = Array.isArray(frame.messages) ? frame.messages : [];
    const marks = Array.isArray(frame.seen) ? frame.seen : [];
    const progress = this.#options.take(messages, marks);
    // An answer that is not complete and brings nothing new would be asked for for ever.
    if (again || (frame.complete === false && progress)) this.request();
  }

  /** The server refused a frame without saying which. */
  refused() {
    if (!this.#waiting) return;
    this.reset();
    this.request(REFUSED_DELAY_MS);
  }

  #ask() {
    this.#timer = null;
    const named = [...this.#options.conversations()].filter(({ high }) => high > 0);
    named.sort((a, b) => b.last.time - a.last.time);
    const have = Object.fromEntries(named.slice(0, MAX_NAMED).map(({ peer, high }) => [peer, high]));
    if (!this.#options.send({ event: 'sync', have })) return;
    this.#waiting = setTimeout(() => {
      this.reset();
      this.#options.silent();
    }, ANSWER_TIMEOUT_MS);
  }
}
