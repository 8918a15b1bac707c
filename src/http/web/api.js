// The HTTP calls. Every failure is an ApiError with a text for the user.

const TIMEOUT_MS = 20_000;
const USERNAME = /^[a-z0-9][a-z0-9._-]{1,31}$/;

/** A refused or failed call. `status` is 0 when there was no answer. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The address of a path of this server, wherever the page is mounted. */
export const address = (path) => new URL(path, new URL('.', location.href));

/** The calls, made with the token of a session (or with none yet). */
export class Api {
  #session;
  #renew;

  /** `renew(token)` gets the session another token, unless it has one already; false if none is given. */
  constructor(session = null, renew = async () => false) {
    this.#session = session;
    this.#renew = renew;
  }

  register(username, password, displayName) {
    const body = { username, password };
    if (displayName) body.display_name = displayName;
    return this.#call('POST', 'register', body);
  }

  login(username, password) {
    return this.#call('POST', 'login', { username, password });
  }

  refresh(token) {
    return this.#call('POST', 'refresh', { refresh_token: token });
  }

  logout(token) {
    return this.#call('POST', 'logout', { refresh_token: token });
  }

  changePassword(current, next) {
    return this.#call('POST', 'password', { current, new: next });
  }

  me() {
    return this.#call('GET', 'users/me');
  }

  user(userId) {
    return this.#call('GET', `users/${encodeURIComponent(userId)}`);
  }

  /** The profile of a typed username. */
  async userByName(typed) {
    const name = typed.trim().replace(/^@/, '').toLowerCase();
    if (!USERNAME.test(name)) {
      throw new ApiError(422, 'invalid_username',
        'A username is 2 to 32 of a-z 0-9 . _ - and begins with a letter or a digit.');
    }
    try {
      return await this.#call('GET', `users/@${name}`);
    } catch (error) {
      if (error.status === 404) error.message = `There is no user @${name} here.`;
      throw error;
    }
  }

  conversations(limit, cursor) {
    return this.#call('GET', `conversations?${query({ limit, cursor })}`);
  }

  history(peer, before, limit) {
    return this.#call('GET', `conversations/${encodeURIComponent(peer)}/messages?${query({ before, limit })}`);
  }

  async #call(method, path, body) {
    const token = this.#session?.token;
    try {
      return await this.#once(method, path, body, token);
    } catch (error) {
      // A wrong password is no wrong token.
      const refused = error.status === 401 && error.code !== 'bad_credentials';
      if (!refused || !token || !(await this.#renew(token))) throw error;
      return this.#once(method, path, body, this.#session.token);
    }
  }

  async #once(method, path, body, token) {
    const headers = { accept: 'application/json' };
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers['content-type'] = 'application/json';
    let response;
    let answer = null;
    try {
      response = await fetch(address(path), {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      answer = response.status === 204 ? null : await response.json();
    } catch {
      if (!response || response.ok) {
        throw new ApiError(0, 'unreachable', 'The server could not be reached. Please try again.');
      }
    }
    if (response.ok) return answer;
    const code = typeof answer?.code === 'string' ? answer.code : 'unknown';
    const message = typeof answer?.message === 'string' ? answer.message : `The server answered ${response.status}.`;
    throw new ApiError(response.status, code, sentence(message));
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(given).toString();
}

/** A server's text as a sentence: first letter upper case, a full stop at the end. */
export function sentence(text) {
  const trimmed = text.trim();
  if (!trimmed) return 'The server refused.';
  const whole = trimmed.charAt(0).toLocaleUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
