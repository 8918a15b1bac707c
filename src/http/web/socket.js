// One WebSocket that comes back by itself: exponential backoff with full jitter.

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
const POLICY_DELAY_MS = 15_000;
const CONNECT_TIMEOUT_MS = 10_000;
// A connection that held this long was a good one: the backoff starts over.
const STABLE_MS = 5_000;

const CLOSE_POLICY = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_EXPIRED = 4401;
const CLOSE_ENDED = 4403;

export class Socket {
  #options;
  #ws = null;
  #timer = null;
  #openTimer = null;
  #stableTimer = null;
  #attempt = 0;
  #refused = '';
  #stopped = true;

  /**
   * `url`, `protocols()`; `onOpen()`, `onFrame(object)`, `onState(state, note)` with the state
   * "connecting", "open" or "waiting"; `onTooBig()`; `onExpired()`; `check()`, which is asked
   * after a connection that was refused, and resolves to false if the token is no longer good.
   */
  constructor(options) {
    this.#options = options;
  }

  start() {
    this.#stopped = false;
    addEventListener('online', this.#wake);
    addEventListener('pageshow', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    removeEventListener('online', this.#wake);
    removeEventListener('pageshow', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    clearTimeout(this.#timer);
    this.#drop(1000);
  }

  get open() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  /** Sends a frame if the connection is open, and says whether it did. */
  send(frame) {
    if (!this.open) return false;
    this.#ws.send(JSON.stringify(frame));
    return true;
  }

  /** Tries again now instead of later. */
  retryNow() {
    if (this.#stopped || this.#ws) return;
    this.#connect();
  }

  /** Gives up a connection that has fallen silent, and makes a new one. */
  restart() {
    if (this.#stopped) return;
    this.#drop();
    this.#wait();
  }

  /** Makes a new connection in the place of this one, which has another token. */
  replace() {
    if (this.#stopped) return;
    this.#drop();
    this.#connect();
  }

  #wake = () => {
    // After a refusal for policy the server wants to be left alone for a while.
    if (!document.hidden && !this.#refused) this.retryNow();
  };

  #connect() {
    clearTimeout(this.#timer);
    this.#options.onState('connecting', this.#refused);
    let ws;
    try {
      ws = new WebSocket(this.#options.url, this.#options.protocols());
    } catch {
      this.#wait();
      return;
    }
    let opened = false;
    this.#ws = ws;
    this.#openTimer = setTimeout(() => this.restart(), CONNECT_TIMEOUT_MS);
    ws.onopen = () => {
      if (this.#ws !== ws) return;
      opened = true;
      clearTimeout(this.#openTimer);
      this.#stableTimer = setTimeout(() => {
        this.#attempt = 0;
        this.#refused = '';
      }, STABLE_MS);
      this.#options.onState('open', '');
      this.#options.onOpen();
    };
    ws.onmessage = (event) => {
      if (this.#ws !== ws) return;
      let frame = null;
      try {
        frame = JSON.parse(event.data);
      } catch {
        return;
      }
      if (frame && typeof frame === 'object') this.#options.onFrame(frame);
    };
    ws.onclose = (event) => {
      if (this.#ws === ws) this.#closed(event, opened);
    };
  }

  async #closed(event, opened) {
    this.#drop();
    if (event.code === CLOSE_EXPIRED || event.code === CLOSE_ENDED) {
      this.#options.onExpired();
      return;
    }
    if (event.code === CLOSE_TOO_BIG) this.#options.onTooBig();
    this.#refused = event.code === CLOSE_POLICY ? event.reason || 'The server closed the connection.' : '';
    this.#wait();
    // The browser does not tell why an upgrade was refused: ask with a plain request.
    if (!opened && !(await this.#options.check()) && !this.#stopped) this.#options.onExpired();
  }

  #wait() {
    const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt);
    const floor = this.#refused ? POLICY_DELAY_MS : 0;
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), floor + Math.random() * ceiling);
    this.#options.onState('waiting', this.#refused);
  }

  #drop(code) {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#stableTimer);
    const ws = this.#ws;
    this.#ws = null;
    if (!ws) return;
    ws.onopen = null;
    ws.onmessage = null;
    ws.onclose = null;
    ws.close(code ?? 1000);
  }
}
