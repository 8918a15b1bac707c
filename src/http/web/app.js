// The page: shows the sign-in card or the chat, and carries one session from begin to end.

import { $, reconcile, setText } from './dom.js';
import { sentence } from './api.js';
import { nameOf } from './format.js';
import { Client } from './client.js';
import { Composer } from './composer.js';
import { Drafts } from './drafts.js';
import { ListView } from './list.js';
import { PasswordDialog } from './password.js';
import { RoomView } from './room.js';
import { SignIn } from './signin.js';
import { Store } from './store.js';
import { dropSession, loadSession, onDroppedElsewhere, saveSession } from './session.js';

// A connection that is back sooner than this was never missed.
const QUIET_RECONNECT_MS = 1_200;
const REFRESH_MS = 30_000;

const signIn = new SignIn((session) => {
  saveSession(session);
  signIn.hide();
  run(session);
});

const stored = loadSession();
if (stored) {
  saveSession(stored);
  run(stored);
} else {
  signIn.show();
}

function run(session) {
  const life = new AbortController();
  const { signal } = life;
  const me = { user_id: session.user_id, username: session.username };
  const drafts = new Drafts(session.user_id);
  const store = new Store(me, () => draw());
  const client = new Client(session, store, {
    onExpired: () => end('Your session has ended. Please log in again.'),
    onIncoming: announce,
  });
  const room = new RoomView(client, signal);
  const composer = new Composer(client, drafts, () => {
    room.follow();
    store.changed();
  }, signal);
  const list = new ListView(client, drafts, go, signal);
  new PasswordDialog(client, me.username, signal);

  $('app').hidden = false;
  client.api.me().then((profile) => {
    store.me = profile;
    if (store.conversations.has(me.user_id)) store.conversation(me.user_id).profile = profile;
    store.changed();
  }).catch((error) => {
    if (error.status === 401 && !signal.aborted) end('Your session has ended. Please log in again.');
  });
  const tick = setInterval(() => store.changed(), REFRESH_MS);
  const release = onDroppedElsewhere(session, () => end('You logged out in another tab.'));
  addEventListener('popstate', openFromAddress, { signal });
  addEventListener('hashchange', openFromAddress, { signal });
  document.addEventListener('keydown', onKey, { signal });
  $('back').addEventListener('click', leave, { signal });
  $('logout').addEventListener('click', logOut, { signal });
  $('connection-retry').addEventListener('click', () => client.socket.retryNow(), { signal });
  client.start();
  openFromAddress();

  /** Opens a conversation; the browser's own "back" leads to the list again. */
  function go(peer) {
    if (store.openPeer === null) history.pushState({ fromList: true }, '', `#${peer}`);
    else history.replaceState(history.state, '', `#${peer}`);
    openFromAddress();
    $('draft').focus();
  }

  function leave() {
    if (history.state?.fromList) history.back();
    else {
      history.replaceState(null, '', location.pathname + location.search);
      openFromAddress();
    }
  }

  function openFromAddress() {
    const peer = /^#([0-9a-z]{1,64})$/.exec(location.hash)?.[1] ?? null;
    const left = store.openPeer;
    if (peer === left) return;
    if (left !== null) {
      const conversation = store.conversation(left);
      conversation.open = false;
      conversation.seenAtOpening = null;
      conversation.trim();
      if (!conversation.last && !conversation.begunAt) store.conversations.delete(left);
    }
    store.openPeer = peer;
    if (peer !== null) {
      const conversation = store.conversation(peer);
      conversation.open = true;
      if (conversation.unread) conversation.seenAtOpening = conversation.mine;
      if (!conversation.profile) identify(conversation);
    }
    $('app').dataset.screen = peer === null ? 'list' : 'chat';
    draw();
    if (peer === null && left !== null) $('list').querySelector(`[data-peer="${CSS.escape(left)}"] a`)?.focus();
  }

  /** An address may name a conversation that the list has not brought yet, or nobody at all. */
  function identify(conversation) {
    client.api.user(conversation.peer).then((profile) => {
      conversation.profile = profile;
      store.changed();
    }).catch((error) => {
      if (error.status === 0 || error.status === 401 || store.open !== conversation || signal.aborted) return;
      history.replaceState(null, '', location.pathname + location.search);
      openFromAddress();
    });
  }

  function onKey(event) {
    if (event.key !== 'Escape' || event.isComposing || store.openPeer === null) return;
    if (event.target === $('new-name') || $('password-dialog').open) return;
    event.preventDefault();
    leave();
  }

  function announce(conversation, message) {
    if (!document.hasFocus() && conversation.open) conversation.seenAtOpening ??= message.seq - 1;
    setText($('announce'), `${nameOf(conversation.profile)}: ${message.content.slice(0, 200)}`);
  }

  function draw() {
    if (signal.aborted) return;
    list.render();
    room.render();
    composer.render();
    connection();
    welcome();
    const { unread } = store;
    document.title = unread ? `(${unread > 99 ? '99+' : unread}) confab` : 'confab';
  }

  function welcome() {
    const none = store.listing === 'ready' && !store.conversations.size;
    setText($('welcome-title'), none ? `Welcome, ${nameOf(store.me)}` : 'Pick a conversation');
    setText($('welcome-text'), none
      ? 'Type a username on the left to write your first message.'
      : 'Or type a username on the left to begin a new one.');
  }

  function connection() {
    const { state, note, since } = store.connection;
    const lasting = Date.now() - since >= QUIET_RECONNECT_MS;
    const bar = $('connection');
    $('app').dataset.connection = state;
    bar.hidden = state === 'open' || (!note && !lasting);
    if (state !== 'open' && !lasting) setTimeout(() => store.changed(), QUIET_RECONNECT_MS + 50 - (Date.now() - since));
    if (bar.hidden) return;
    setText($('connection-text'), (note && sentence(note)) || (navigator.onLine ? 'Reconnecting…' : 'You are offline'));
    $('connection-retry').hidden = state !== 'waiting';
    bar.classList.toggle('is-waiting', state === 'waiting' && Boolean(note));
  }

  function logOut() {
    const waiting = client.outbox.entries.length;
    if (waiting && !confirm(`${waiting} not yet sent. Log out and discard?`)) return;
    // Whether it arrives or not: here the tokens are forgotten.
    if (session.refresh) client.api.logout(session.refresh).catch(() => {});
    drafts.clear();
    client.outbox.clear();
    history.replaceState(null, '', location.pathname + location.search);
    end('', false);
  }

  function end(note, remember = true) {
    if (signal.aborted) return;
    life.abort();
    clearInterval(tick);
    release();
    client.stop();
    dropSession(session);
    for (const part of ['list', 'list-note', 'messages']) reconcile($(part), []);
    $('app').hidden = true;
    document.title = 'confab';
    signIn.show(note, remember ? session.username : '');
  }
}
