// The dialog to change the password.

import { $, setText } from './dom.js';

export class PasswordDialog {
  #client;
  #busy = false;

  /** Opens by the button in the list's head, until `signal`. */
  constructor(client, username, signal) {
    this.#client = client;
    const dialog = $('password-dialog');
    // Password managers want to know whose it is.
    $('password-user').value = username;
    $('change-password').addEventListener('click', () => this.#open(), { signal });
    $('password-close').addEventListener('click', () => dialog.close(), { signal });
    dialog.addEventListener('close', () => $('password-form').reset(), { signal });
    for (const field of ['current', 'new']) {
      $(`${field}-password`).addEventListener('input', () => this.#complain(field, ''), { signal });
    }
    $('password-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    }, { signal });
    signal.addEventListener('abort', () => {
      dialog.close();
      $('password-form').reset();
    });
  }

  #open() {
    for (const field of ['current', 'new', 'form']) this.#complain(field, '');
    this.#show(false);
    $('password-dialog').showModal();
    $('current-password').focus();
  }

  #show(done) {
    $('password-form').hidden = done;
    $('password-done').hidden = !done;
    setText($('password-close'), done ? 'Close' : 'Cancel');
  }

  #complain(field, message) {
    setText($(`${field}-password-error`), message);
    if (field !== 'form') {
      $(`${field}-password`).toggleAttribute('aria-invalid', Boolean(message));
      setText($('form-password-error'), '');
    }
  }

  async #submit() {
    if (this.#busy) return;
    for (const field of ['current', 'new', 'form']) this.#complain(field, '');
    const current = $('current-password').value;
    const next = $('new-password').value;
    if (!current) return this.#refuse('current', 'Please give your password.');
    if (!next) return this.#refuse('new', 'Please give a new password.');
    this.#setBusy(true);
    try {
      await this.#client.changePassword(current, next);
      $('password-form').reset();
      this.#show(true);
      $('password-close').focus();
    } catch (error) {
      if (error.code === 'bad_credentials') this.#refuse('current', 'This is not your password.');
      else this.#refuse(error.code === 'invalid_password' ? 'new' : 'form', error.message);
    } finally {
      this.#setBusy(false);
    }
    return undefined;
  }

  #refuse(field, message) {
    this.#complain(field, message);
    $(field === 'form' ? 'current-password' : `${field}-password`).focus();
  }

  #setBusy(busy) {
    this.#busy = busy;
    $('password-submit').disabled = busy;
    $('password-submit').classList.toggle('busy', busy);
  }
}
