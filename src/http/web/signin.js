// The card to log in or register.

import { $, setText } from './dom.js';
import { Api } from './api.js';
import { granted } from './session.js';

const ERRORS = ['username', 'display', 'password', 'form'];

export class SignIn {
  #onSession;
  #mode = 'login';
  #busy = false;

  /** `onSession(session)` gets what the server gave, and `stay`. */
  constructor(onSession) {
    this.#onSession = onSession;
    for (const mode of ['login', 'register']) {
      const tab = $(`tab-${mode}`);
      tab.addEventListener('click', () => this.#choose(mode));
      tab.addEventListener('keydown', (event) => this.#tabKey(event));
    }
    for (const name of ['username', 'display', 'password']) {
      $(name).addEventListener('input', () => this.#complain(name, ''));
    }
    $('reveal').addEventListener('click', () => this.#reveal($('password').type === 'password'));
    $('account-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Shows the card, with a note on why, and a username to begin with. */
  show(note = '', username = '') {
    $('signin').hidden = false;
    $('signin-note').hidden = !note;
    setText($('signin-note'), note);
    if (username) $('username').value = username;
    $('password').value = '';
    this.#reveal(false);
    this.#choose('login');
    (username ? $('password') : $('username')).focus();
  }

  hide() {
    $('signin').hidden = true;
    $('account-form').reset();
  }

  #choose(mode) {
    this.#mode = mode;
    const register = mode === 'register';
    for (const name of ['login', 'register']) {
      const chosen = name === mode;
      $(`tab-${name}`).setAttribute('aria-selected', String(chosen));
      $(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    }
    $('account-form').setAttribute('aria-labelledby', `tab-${mode}`);
    $('display-field').hidden = !register;
    $('password').autocomplete = register ? 'new-password' : 'current-password';
    setText($('submit'), register ? 'Create account' : 'Log in');
    for (const field of ERRORS) this.#complain(field, '');
  }

  #tabKey(event) {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    this.#choose(this.#mode === 'login' ? 'register' : 'login');
    $(`tab-${this.#mode}`).focus();
  }

  #reveal(shown) {
    $('password').type = shown ? 'text' : 'password';
    $('reveal').setAttribute('aria-pressed', String(shown));
    setText($('reveal'), shown ? 'Hide' : 'Show');
  }

  #complain(field, message) {
    setText($(`${field}-error`), message);
    if (field !== 'form') $(field).toggleAttribute('aria-invalid', Boolean(message));
    if (field === 'username' || field === 'password') setText($('form-error'), '');
  }

  async #submit() {
    if (this.#busy) return;
    for (const field of ERRORS) this.#complain(field, '');
    const username = $('username').value.trim().replace(/^@/, '');
    const password = $('password').value;
    if (!username) return this.#refuse('username', 'Please give a username.');
    if (!password) return this.#refuse('password', 'Please give a password.');
    this.#setBusy(true);
    try {
      const api = new Api();
      const given = this.#mode === 'register'
        ? await api.register(username, password, $('display').value.trim())
        : await api.login(username, password);
      this.#onSession({
        user_id: given.user_id,
        username: given.username ?? username,
        ...granted(given),
        stay: $('stay').checked,
      });
    } catch (error) {
      this.#refuse(fieldOf(error), error.message);
    } finally {
      this.#setBusy(false);
    }
    return undefined;
  }

  #refuse(field, message) {
    this.#complain(field, message);
    $(field === 'form' ? 'password' : field).focus();
  }

  #setBusy(busy) {
    this.#busy = busy;
    $('submit').disabled = busy;
    $('submit').classList.toggle('busy', busy);
  }
}

/** The field that an error is about: by its code, else by the one field that the text names. */
function fieldOf({ code = '', message = '' }) {
  const names = ['display', 'username', 'password'];
  const coded = names.find((name) => code.includes(name));
  const named = names.filter((name) => message.toLowerCase().includes(name));
  return coded ?? (named.length === 1 ? named[0] : 'form');
}
