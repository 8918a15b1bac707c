// The list of conversations, as pages come in.

import { readMessage } from './conversation.js';

const FIRST_PAGE = 30;
const PAGE = 100;
const MAX_PAGES = 15;
const RETRY_MS = 4_000;
const MISSING_DELAY_MS = 300;

export class Listing {
  #api;
  #store;
  #hooks;
  #run = 0;
  #busy = false;
  #retry = null;
  #missing = null;
  #asked = new Set();

  /**
   * `hooks`: `failed(error)`; `hole()` when a conversation went on without us;
   * `unmarked(conversation)` when the server missed a read mark of ours.
   */
  constructor(api, store, hooks) {
    this.#api = api;
    this.#store = store;
    this.#hooks = hooks;
  }

  stop() {
    this.#run += 1;
    clearTimeout(this.#retry);
    clearTimeout(this.#missing);
  }

  /**
   * Brings the list up to date: all of it at first (within bounds), later only as far as it
   * changed. Resolves to whether it is the current one, so that a sync may name it.
   */
  async refresh() {
    this.stop();
    const run = this.#run;
    this.#busy = true;
    const first = this.#store.listing !== 'ready';
    if (first) this.#store.listing = 'loading';
    this.#store.changed();
    try {
      let cursor;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const answer = await this.#api.conversations(page ? PAGE : FIRST_PAGE, cursor);
        if (run !== this.#run) return false;
        const unchanged = this.#take(answer);
        cursor = answer?.next ?? null;
        if (first) this.#store.cursor = cursor;
        this.#store.listing = 'ready';
        this.#store.changed();
        if (!cursor || (!first && unchanged)) break;
      }
      this.#busy = false;
      this.#nameUnknown();
      return true;
    } catch (error) {
      if (run !== this.#run) return false;
      this.#busy = false;
      if (first) this.#store.listing = 'failed';
      this.#store.changed();
      this.#hooks.failed(error);
      this.#retry = setTimeout(async () => {
        if (await this.refresh()) this.#hooks.hole();
      }, RETRY_MS);
      return false;
    }
  }

  /** Fetches the next page, if there is one. */
  async more() {
    const { cursor } = this.#store;
    if (!cursor) return;
    try {
      const answer = await this.#api.conversations(PAGE, cursor);
      this.#take(answer);
      this.#store.cursor = answer?.next ?? null;
    } catch (error) {
      this.#hooks.failed(error);
    }
  }

  /** A message came from somebody not listed yet: the list will tell the name and the counts. */
  missing() {
    // A refresh under way ends with the names that are missing.
    if (this.#missing || this.#busy) return;
    this.#missing = setTimeout(() => {
      this.#missing = null;
      this.refresh();
    }, MISSING_DELAY_MS);
  }

  /** Takes a page in; says whether it reached a conversation that was known as it is. */
  #take(answer) {
    let unchanged = false;
    for (const entry of Array.isArray(answer?.conversations) ? answer.conversations : []) {
      const last = readMessage(entry?.last_message);
      if (typeof entry?.peer?.user_id !== 'string' || !last) continue;
      const conversation = this.#store.conversation(entry.peer.user_id);
      if (conversation.profile && conversation.high === last.seq) unchanged = true;
      conversation.profile = entry.peer;
      const { mine = 0, theirs = 0 } = entry.seen ?? {};
      if (mine < conversation.mine) this.#hooks.unmarked(conversation);
      if (!conversation.summarise(last, entry.unread ?? 0, mine, theirs)) this.#hooks.hole();
    }
    return unchanged;
  }

  #nameUnknown() {
    for (const conversation of this.#store.conversations.values()) {
      if (conversation.profile || this.#asked.has(conversation.peer)) continue;
      this.#asked.add(conversation.peer);
      this.#api.user(conversation.peer).then((profile) => {
        conversation.profile ??= profile;
        this.#store.changed();
      }).catch((error) => this.#hooks.failed(error));
    }
  }
}
