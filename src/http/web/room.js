// The open conversation: its head, its messages, where it is scrolled to.

import { $, h, reconcile, setText } from './dom.js';
import { badge, dayHeading, dayOf, fullTime, isEmoji, nameOf, paintAvatar, timeOf } from './format.js';
import { makeTick, tickOf } from './list.js';

const GROUP_MS = 5 * 60_000;
const NEAR_BOTTOM = 48;
const NEAR_TOP = 240;

export class RoomView {
  #client;
  #peer = null;
  /** Whether the first page of history came, and the scroll position was chosen. */
  #arrived = false;
  #atBottom = true;
  #unseen = 0;
  #lastHigh = 0;
  #frame = null;

  constructor(client, signal) {
    this.#client = client;
    $('log').addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    $('jump').addEventListener('click', () => this.#toBottom(), { signal });
    addEventListener('focus', () => this.#look(), { signal });
    document.addEventListener('visibilitychange', () => this.#look(), { signal });
    // The keyboard of a phone, a growing draft: what was at the bottom stays there.
    this.#frame = new ResizeObserver(() => {
      if (this.#atBottom) this.#toBottom();
    });
    this.#frame.observe($('log'));
    signal.addEventListener('abort', () => this.#frame.disconnect());
    $('messages').addEventListener('click', (event) => this.#press(event), { signal });
  }

  render() {
    const conversation = this.#client.store.open;
    $('room').hidden = !conversation;
    $('welcome').hidden = Boolean(conversation);
    if (!conversation) {
      this.#peer = null;
      reconcile($('messages'), []);
      return;
    }
    this.#head(conversation);
    const log = $('log');
    const entered = this.#peer !== conversation.peer;
    if (entered) this.#enter(conversation);
    const firstKept = entered || this.#atBottom ? null : this.#anchor();
    reconcile($('messages'), this.#items(conversation));
    if (!this.#arrived) this.#arrive(conversation);
    else if (this.#atBottom) this.#toBottom();
    else if (firstKept?.element.isConnected) {
      const moved = firstKept.element.getBoundingClientRect().top - firstKept.top;
      if (moved) log.scrollTop += moved;
    }
    this.#count(conversation);
    this.#look();
    if (!conversation.read || (!conversation.whole && log.scrollTop < NEAR_TOP)) this.#older(conversation);
  }

  /** The user sent something: show it. */
  follow() {
    this.#atBottom = true;
  }

  #enter(conversation) {
    this.#peer = conversation.peer;
    this.#unseen = 0;
    this.#lastHigh = conversation.high;
    this.#atBottom = true;
    this.#arrived = false;
    reconcile($('messages'), []);
  }

  #arrive(conversation) {
    this.#arrived = conversation.read || conversation.history === 'failed';
    const divider = $('messages').querySelector('.divider');
    if (!divider) {
      this.#toBottom();
      return;
    }
    const log = $('log');
    log.scrollTop = divider.offsetTop - 60;
    this.#atBottom = isAtBottom(log);
  }

  /** The topmost message in view, and where it is, to keep it there. */
  #anchor() {
    const top = $('log').getBoundingClientRect().top;
    for (const element of $('messages').children) {
      if (!element.classList.contains('msg')) continue;
      const box = element.getBoundingClientRect();
      if (box.bottom > top) return { element, top: box.top };
    }
    return null;
  }

  #head(conversation) {
    const { profile, toSelf, typing } = conversation;
    paintAvatar($('room-avatar'), conversation.peer, profile);
    setText($('room-name'), nameOf(profile));
    const about = toSelf ? 'Notes to yourself' : profile ? `@${profile.username}` : '';
    setText($('room-sub'), typing ? 'typing…' : about);
    $('room-sub').classList.toggle('is-typing', typing);
  }

  #items(conversation) {
    const items = [this.#topItem(conversation)];
    let before = null;
    const now = Date.now();
    const { divider } = conversation;
    const lines = [
      ...conversation.messages.map((message) => ({ message, time: message.time })),
      ...this.#client.outbox.of(conversation.peer).map((entry) => ({ entry, time: entry.time })),
    ];
    lines.forEach((line, at) => {
      const mine = Boolean(line.entry) || line.message.from === conversation.me;
      const day = dayOf(line.time);
      if (!before || day > before.day) items.push(dayItem(day, dayHeading(line.time, now)));
      const divided = Boolean(line.message) && line.message.seq === divider;
      if (divided) items.push(dividerItem());
      const first = !before || divided || day > before.day || before.mine !== mine
        || line.time - before.time > GROUP_MS;
      const next = lines[at + 1];
      const last = !next || next.time - line.time > GROUP_MS || dayOf(next.time) > day
        || (Boolean(next.entry) || next.message.from === conversation.me) !== mine
        || (divider > 0 && next.message?.seq === divider);
      items.push(messageItem(conversation, line, { mine, first, last }));
      before = { mine, day: Math.max(day, before?.day ?? day), time: line.time };
    });
    if (conversation.typing) items.push(typingItem());
    return items;
  }

  #topItem(conversation) {
    const { history, whole, read } = conversation;
    const state = history === 'failed' ? 'failed' : whole && read ? 'begin' : 'busy';
    return {
      key: 'top',
      sig: `${state} ${nameOf(conversation.profile)}`,
      make: () => h('li', { class: 'top' }),
      update: (element) => {
        element.replaceChildren();
        if (state === 'busy') {
          element.append(h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('span', { class: 'sr-only' }, 'Loading…'));
        } else if (state === 'failed') {
          element.append('Older messages could not be loaded. ', h('button', { type: 'button', 'data-do': 'older' }, 'Try again'));
        } else {
          element.append(conversation.toSelf
            ? 'A place for notes to yourself.'
            : `This is the beginning of your conversation with ${nameOf(conversation.profile)}.`);
        }
      },
    };
  }

  #press(event) {
    const button = event.target.closest('button[data-do]');
    if (!button) return;
    const { do: action, id } = button.dataset;
    if (action === 'retry') this.#client.retry(id);
    if (action === 'discard') this.#client.discard(id);
    if (action === 'older') this.#client.loadOlder(this.#client.store.open);
    $('draft').focus();
  }

  #older(conversation) {
    if (conversation.history === 'idle') this.#client.loadOlder(conversation);
  }

  #scrolled() {
    const conversation = this.#client.store.open;
    if (!conversation || this.#peer !== conversation.peer) return;
    this.#atBottom = isAtBottom($('log'));
    if ($('log').scrollTop < NEAR_TOP && !conversation.whole) this.#older(conversation);
    this.#count(conversation);
    this.#look();
  }

  /** Counts what came below the part in view. */
  #count(conversation) {
    for (const message of conversation.messages.slice(-50)) {
      if (message.seq > this.#lastHigh && message.from !== conversation.me) this.#unseen += 1;
    }
    this.#lastHigh = Math.max(this.#lastHigh, conversation.high);
    if (this.#atBottom) this.#unseen = 0;
    $('jump').hidden = this.#atBottom;
    $('jump-count').hidden = !this.#unseen;
    setText($('jump-count'), badge(this.#unseen));
  }

  /** Tells the client when the user sees the end of the conversation. */
  #look() {
    const conversation = this.#client.store.open;
    if (!conversation || this.#peer !== conversation.peer || !this.#arrived || !this.#atBottom) return;
    if (!document.hidden && document.hasFocus()) this.#client.look(conversation);
  }

  #toBottom() {
    const log = $('log');
    log.scrollTop = log.scrollHeight;
  }
}

function isAtBottom(log) {
  return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_BOTTOM;
}

function dayItem(day, heading) {
  return {
    key: `day ${day}`,
    sig: heading,
    make: () => h('li', { class: 'day' }),
    update: (element) => element.replaceChildren(h('span', null, heading)),
  };
}

function dividerItem() {
  return { key: 'divider', sig: 0, make: () => h('li', { class: 'divider' }, h('span', null, 'Unread messages')) };
}

function typingItem() {
  return {
    key: 'typing',
    sig: 0,
    make: () => h('li', { class: 'msg theirs first last is-typing' },
      h('div', { class: 'bubble' }, h('span', { class: 'dots' }, h('i'), h('i'), h('i')),
        h('span', { class: 'sr-only' }, 'typing…'))),
  };
}

function messageItem(conversation, { message, entry, time }, { mine, first, last }) {
  const { content } = message ?? entry;
  const editors = message?.changedBy.join(', ') ?? '';
  const failed = entry?.failed ?? null;
  const tick = !mine ? null : entry ? (failed ? 'failed' : 'clock') : tickOf(conversation, message.seq);
  // An own message keeps its element when it goes from "sending" to "stored".
  const id = entry?.id ?? (mine ? message.id : null);
  return {
    key: id ? `own ${id}` : `seq ${message.seq}`,
    sig: JSON.stringify([content, time, mine, first, last, tick, failed, editors]),
    make: () => h('li', null),
    update: (element) => {
      element.className = ['msg', mine ? 'mine' : 'theirs', first && 'first', last && 'last', failed && 'refused',
        !failed && isEmoji(content) && 'jumbo']
        .filter(Boolean).join(' ');
      const meta = h('span', { class: 'meta' },
        editors ? h('span', { class: 'edited', title: `Edited by ${editors}` }, `edited by ${editors}`) : null,
        h('time', { datetime: new Date(time).toISOString(), title: fullTime(time) }, timeOf(time)),
        tick ? makeTick(tick) : null);
      const whose = first ? h('span', { class: 'sr-only' }, mine ? 'You: ' : `${nameOf(conversation.profile)}: `) : null;
      const text = h('span', { class: 'text', dir: 'auto' }, content);
      element.replaceChildren(h('div', { class: 'bubble' }, whose, text, meta));
      if (failed) {
        element.append(h('div', { class: 'refusal' }, h('span', null, failed),
          h('button', { type: 'button', 'data-do': 'retry', 'data-id': id }, 'Try again'),
          h('button', { type: 'button', 'data-do': 'discard', 'data-id': id }, 'Discard')));
      }
    },
  };
}
