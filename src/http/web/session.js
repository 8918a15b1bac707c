// Who is signed in here. The tab's own storage keeps it, so that two tabs can be two users;
// "stay signed in" keeps it for new tabs and later days too.

const KEY = 'confab.session';

/** The stored session `{ user_id, username, token, stay }`, or null. */
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
  if (read(localStorage)?.token === session.token) remove(localStorage);
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
