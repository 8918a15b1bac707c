// Who is signed in here. The tab's own storage keeps it, so that two tabs can be two users;
// "stay signed in" keeps it for new tabs and later days too. A token that has expired is renewed by
// the refresh token, which is good once: tabs that share a session take turns.

import { Api, ApiError } from './api.js';

const KEY = 'confab.session';
const LOGIN_CHARACTERS = 46;
// A token that is good for less is as good as expired.
const MARGIN_MS = 10_000;

/** The stored session `{ user_id, username, token, until, refresh?, stay }`, or null. */
export function loadSession() {
  return read(sessionStorage) ?? read(localStorage);
}

/** Stores a session. */
export function saveSession(session) {
  const text = JSON.stringify(session);
  write(sessionStorage, KEY, text);
  if (session.stay) write(localStorage, KEY, text);
}

/** Forgets a session here, and for other tabs if it was theirs too. */
export function dropSession(session) {
  remove(sessionStorage);
  const shared = read(localStorage);
  if (shared && loginOf(shared) === loginOf(session)) remove(localStorage);
}

/** Calls `then` when another tab ended the session that this tab shares with it. */
export function onDroppedElsewhere(session, then) {
  const listen = (event) => {
    if (event.storageArea === localStorage && event.key === KEY && event.newValue === null) then();
  };
  if (!session.stay) return () => {};
  addEventListener('storage', listen);
  return () => removeEventListener('storage', listen);
}

/** What a session takes of the answer to a registration, a login or a refresh. */
export function granted(answer) {
  return {
    token: answer.access_token,
    until: Date.now() + answer.expires_in * 1000,
    refresh: answer.refresh_token,
  };
}

let renewing = null;

/**
 * Gets a session another token than this one; false if its login is over. Fails with an ApiError
 * if the server does not answer.
 */
export async function renew(session, token) {
  if (session.token !== token) return true;
  const work = () => next(session);
  // Locks are there on https and localhost only; without, two tabs may end their login.
  renewing ??= (navigator.locks ? navigator.locks.request(`${KEY}.renew`, work) : work());
  try {
    return await renewing;
  } finally {
    renewing = null;
  }
}

async function next(session) {
  const shared = session.stay ? read(localStorage) : null;
  if (shared && shared.token !== session.token && loginOf(shared) === loginOf(session)) {
    // Another tab was faster.
    Object.assign(session, { token: shared.token, until: shared.until, refresh: shared.refresh });
    saveSession(session);
    if (session.until > Date.now() + MARGIN_MS) return true;
  }
  if (!session.refresh) return false;
  try {
    Object.assign(session, granted(await new Api().refresh(session.refresh)));
  } catch (error) {
    if (error.status === 401) return false;
    throw new ApiError(0, 'unreachable', error.message);
  }
  saveSession(session);
  return true;
}

/** The same for all tokens of one login: the first half of its refresh tokens never changes. */
function loginOf(session) {
  return session.refresh?.slice(0, LOGIN_CHARACTERS) ?? session.token;
}

function read(storage) {
  try {
    const session = JSON.parse(storage.getItem(KEY));
    const whole = ['user_id', 'username', 'token'].every((name) => typeof session?.[name] === 'string');
    return whole ? session : null;
  } catch {
    return null;
  }
}

/** Stores a text; a browser that refuses (private mode, full) just doesn't remember. */
export function write(storage, key, text) {
  try {
    storage.setItem(key, text);
  } catch {
    // Not kept.
  }
}

function remove(storage) {
  try {
    storage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}
