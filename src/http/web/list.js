// The list of conversations, and the line to begin a new one.

import { $, h, icon, reconcile, setText } from './dom.js';
import { ago, badge, fullTime, initials, hue, nameOf, paintAvatar } from './format.js';

const STEP = 30;

export class ListView {
  #client;
  #drafts;
  #go;
  #shown = STEP;

  /** `go(peer)` opens a conversation. */
  constructor(client, drafts, go, signal) {
    this.#client = client;
    this.#drafts = drafts;
    this.#go = go;
    $('new-chat').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#begin();
    }, { signal });
    $('new-name').addEventListener('input', () => setText($('new-error'), ''), { signal });
    $('new-name').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#clearNew();
    }, { signal });
    $('list').addEventListener('keydown', (event) => this.#arrow(event), { signal });
    $('list-more').addEventListener('click', () => this.#more(), { signal });
    this.#clearNew();
  }

  render() {
    const { store } = this.#client;
    paintAvatar($('me-avatar'), store.me.user_id, store.me);
    setText($('me-name'), nameOf(store.me));
    setText($('me-username'), `@${store.me.username}`);
    const rows = [...store.conversations.values()].map((conversation) => this.#row(conversation));
    rows.sort((a, b) => b.time - a.time);
    reconcile($('list'), rows.slice(0, this.#shown));
    $('list-more').hidden = rows.length <= this.#shown && !store.cursor;
    this.#note(rows.length);
  }

  #note(count) {
    const { listing } = this.#client.store;
    const note = $('list-note');
    note.hidden = count > 0 && listing === 'ready';
    if (note.hidden) return;
    if (listing === 'ready') {
      reconcile(note, [paragraph('Nobody here yet.', 'strong'), paragraph(
        'Type the username of a friend above. Just looking around? Open this page in a second '
        + 'tab, register there as somebody else, and write to yourself.')]);
    } else if (listing === 'failed') {
      reconcile(note, [paragraph('The conversations could not be loaded. Trying again…')]);
    } else {
      reconcile(note, count ? [] : [1, 2, 3].map((n) => ({
        key: `ghost${n}`,
        sig: 0,
        make: () => h('div', { class: 'ghost', 'aria-hidden': 'true' }),
      })));
    }
  }

  #row(conversation) {
    const { peer, profile, last, unread, typing, open } = conversation;
    const [newest] = this.#client.outbox.of(peer).slice(-1);
    const draft = open ? '' : this.#drafts.get(peer);
    const own = newest || (last && last.from === conversation.me && !conversation.toSelf);
    const time = newest?.time ?? last?.time ?? conversation.begunAt;
    const tick = newest ? (newest.failed ? 'failed' : 'clock') : own && tickOf(conversation, last.seq);
    const name = conversation.toSelf ? `${nameOf(profile)} (you)` : nameOf(profile);
    const text = preview(newest?.content ?? last?.content ?? '');
    const view = { name, text, tick, time, when: time ? ago(time) : '', unread, typing, draft: preview(draft), open };
    return {
      key: peer,
      time,
      sig: JSON.stringify([view, profile]),
      make: () => this.#make(peer),
      update: (element) => paintRow(element, peer, profile, view),
    };
  }

  #make(peer) {
    const link = h('a', {
      class: 'row',
      href: `#${peer}`,
      onclick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.#go(peer);
      },
    });
    return h('li', { 'data-peer': peer }, link);
  }

  #arrow(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...$('list').querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  }

  async #begin() {
    const input = $('new-name');
    if (!input.value.trim() || input.readOnly) return;
    input.readOnly = true;
    $('new-go').disabled = true;
    try {
      const peer = await this.#client.begin(input.value);
      this.#clearNew();
      this.#go(peer);
    } catch (error) {
      setText($('new-error'), error.message);
      input.focus();
    } finally {
      input.readOnly = false;
      $('new-go').disabled = false;
    }
  }

  #clearNew() {
    $('new-name').value = '';
    setText($('new-error'), '');
  }

  async #more() {
    this.#shown += STEP;
    const { store, listing } = this.#client;
    if (store.conversations.size < this.#shown) await listing.more();
    store.changed();
  }
}

function paragraph(text, tag = 'span') {
  return { key: text, sig: 0, make: () => h('p', null, h(tag, null, text)) };
}

/** One line for the list: long texts would only be cut off by the layout. */
function preview(text) {
  return text.slice(0, 200).replace(/\s+/g, ' ').trim();
}

/** The tick of an own, stored message. */
export function tickOf(conversation, seq) {
  return !conversation.toSelf && conversation.theirs >= seq ? 'seen' : 'stored';
}

/** What a tick says to a screen reader. */
export const TICK_WORDS = { clock: 'sending', stored: 'sent', seen: 'seen', failed: 'not sent' };

/** The element of a tick. */
export function makeTick(tick) {
  const mark = h('span', { class: `tick tick-${tick}`, 'data-tick': tick }, icon(tick));
  mark.append(h('span', { class: 'sr-only' }, TICK_WORDS[tick]));
  return mark;
}

function paintRow(element, peer, profile, view) {
  const link = element.firstChild;
  link.toggleAttribute('aria-current', view.open);
  link.classList.toggle('unread', view.unread > 0);
  const line = h('span', { class: 'preview', dir: 'auto' });
  if (view.typing) line.append(h('em', { class: 'typing-word' }, 'typing…'));
  else if (view.draft) line.append(h('em', { class: 'draft-word' }, 'Draft: '), view.draft);
  else line.append(view.text || 'No messages yet');
  link.replaceChildren(
    h('span', { class: `avatar ${hue(peer)}`, 'aria-hidden': 'true' }, initials(profile)),
    h('span', { class: 'row-body' },
      h('span', { class: 'row-top' },
        h('strong', { class: 'name', dir: 'auto' }, view.name),
        view.time ? h('time', { datetime: new Date(view.time).toISOString(), title: fullTime(view.time) }, view.when) : null),
      h('span', { class: 'row-bottom' },
        view.tick && !view.typing && !view.draft ? makeTick(view.tick) : null,
        line,
        view.unread ? h('span', { class: 'badge' }, badge(view.unread), h('span', { class: 'sr-only' }, ' unread')) : null)),
  );
}
