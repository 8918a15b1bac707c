// All that the page shows, and one call for whoever draws it.

import { Conversation } from './conversation.js';

export class Store {
  /** By peer. */
  conversations = new Map();
  /** The open conversation's peer, or null. */
  openPeer = null;
  /** "loading", "ready" or "failed": the list of conversations. */
  listing = 'loading';
  /** Where the list goes on at the server, or null. */
  cursor = null;
  connection = { state: 'connecting', note: '', since: Date.now() };
  #draw;
  #scheduled = false;

  constructor(me, draw) {
    this.me = me;
    this.#draw = draw;
  }

  /** Something changed: draws soon, once for many changes. */
  changed() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  /** The conversation with `peer`, made if need be. */
  conversation(peer) {
    let conversation = this.conversations.get(peer);
    if (!conversation) {
      conversation = new Conversation(peer, this.me.user_id);
      if (peer === this.me.user_id) conversation.profile = this.me;
      this.conversations.set(peer, conversation);
    }
    return conversation;
  }

  get open() {
    return this.openPeer === null ? null : this.conversation(this.openPeer);
  }

  get unread() {
    let sum = 0;
    for (const { unread } of this.conversations.values()) sum += unread;
    return sum;
  }
}
