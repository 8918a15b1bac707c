// Messages on their way: kept until the server's echo, sent again with the same id after a
// reconnect or a reload. Bounded.

import { write } from './session.js';

const MAX_ENTRIES = 100;
const MAX_CHARACTERS = 500_000;

/** A fresh id for a message. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Absent on plain http from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Outbox {
  /** `{ id, to, content, time, failed }` in the order they were written; `failed` is a text or null. */
  entries = [];
  #key;

  constructor(userId) {
    this.#key = `confab.outbox.${userId}`;
    try {
      const stored = JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
      this.entries = stored.filter((entry) => ['id', 'to', 'content'].every((name) => typeof entry?.[name] === 'string'));
    } catch {
      // Nothing usable was kept.
    }
  }

  of(peer) {
    return this.entries.filter((entry) => entry.to === peer);
  }

  find(id) {
    return this.entries.find((entry) => entry.id === id) ?? null;
  }

  /** Adds a message; null if too much is waiting already. */
  add(to, content) {
    const characters = this.entries.reduce((sum, entry) => sum + entry.content.length, content.length);
    if (this.entries.length >= MAX_ENTRIES || characters > MAX_CHARACTERS) return null;
    const entry = { id: newId(), to, content, time: Date.now(), failed: null };
    this.entries.push(entry);
    this.#keep();
    return entry;
  }

  remove(id) {
    const at = this.entries.findIndex((entry) => entry.id === id);
    if (at < 0) return;
    this.entries.splice(at, 1);
    this.#keep();
  }

  /** Marks a message as refused, with the reason; null to try again. */
  mark(id, failed) {
    const entry = this.find(id);
    if (!entry) return;
    entry.failed = failed;
    this.#keep();
  }

  clear() {
    this.entries = [];
    this.#keep();
  }

  #keep() {
    const plain = this.entries.map(({ id, to, content, time, failed }) => ({ id, to, content, time, failed }));
    write(sessionStorage, this.#key, JSON.stringify(plain));
  }
}
