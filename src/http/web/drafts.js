// Unsent text, by user and peer. It outlives a reload and an expired session.

import { write } from './session.js';

const PREFIX = 'confab.draft.';

/** The drafts of one user. */
export class Drafts {
  #texts = new Map();
  #prefix;

  constructor(userId) {
    this.#prefix = `${PREFIX}${userId}.`;
    try {
      for (let i = 0; i < sessionStorage.length; i += 1) {
        const key = sessionStorage.key(i);
        if (!key.startsWith(this.#prefix)) continue;
        this.#texts.set(key.slice(this.#prefix.length), sessionStorage.getItem(key));
      }
    } catch {
      // The browser keeps nothing.
    }
  }

  /** The draft for `peer`: empty if there is none. */
  get(peer) {
    return this.#texts.get(peer) ?? '';
  }

  set(peer, text) {
    if (text === this.get(peer)) return;
    if (text) {
      this.#texts.set(peer, text);
      write(sessionStorage, this.#prefix + peer, text);
      return;
    }
    this.#texts.delete(peer);
    try {
      sessionStorage.removeItem(this.#prefix + peer);
    } catch {
      // Nothing was kept.
    }
  }

  /** Forgets all: for logging out. */
  clear() {
    for (const peer of [...this.#texts.keys()]) this.set(peer, '');
  }
}
