// The line to write in: drafts, sending, telling the peer that one types.

import { $, setText } from './dom.js';
import { nameOf } from './format.js';

export class Composer {
  #client;
  #drafts;
  #peer = null;
  #onSent;

  /** `onSent()` is called when a message was taken. */
  constructor(client, drafts, onSent, signal) {
    this.#client = client;
    this.#drafts = drafts;
    this.#onSent = onSent;
    $('draft').addEventListener('input', () => this.#input(), { signal });
    $('draft').addEventListener('keydown', (event) => {
      // While an input method composes, Enter belongs to it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send();
    }, { signal });
    $('draft').addEventListener('blur', () => this.#quiet(), { signal });
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    }, { signal });
    // A tap on the button must not close a phone's keyboard.
    $('send').addEventListener('pointerdown', (event) => event.preventDefault(), { signal });
  }

  render() {
    const conversation = this.#client.store.open;
    const peer = conversation?.peer ?? null;
    if (conversation) $('draft').placeholder = conversation.toSelf ? 'A note to yourself' : `Message ${nameOf(conversation.profile)}`;
    if (peer === this.#peer) return;
    this.#quiet();
    this.#peer = peer;
    $('draft').value = peer ? this.#drafts.get(peer) : '';
    setText($('composer-note'), '');
    this.#grow();
  }

  #grow() {
    $('grow').dataset.text = $('draft').value;
    $('send').disabled = !$('draft').value.trim();
  }

  #input() {
    const text = $('draft').value;
    this.#grow();
    setText($('composer-note'), '');
    this.#drafts.set(this.#peer, text);
    this.#client.typing(this.#peer, Boolean(text.trim()));
  }

  #quiet() {
    if (this.#peer) this.#client.typing(this.#peer, false);
  }

  #send() {
    const text = $('draft').value.trim();
    if (!text || !this.#peer) return;
    const problem = this.#client.write(this.#peer, text);
    setText($('composer-note'), problem);
    if (problem) return;
    this.#quiet();
    $('draft').value = '';
    this.#drafts.set(this.#peer, '');
    this.#grow();
    $('draft').focus();
    this.#onSent();
  }
}
