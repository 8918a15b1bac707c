"""Somebody changes their password at `/`."""

import json
import urllib.error
import urllib.request

from selenium.webdriver.common.keys import Keys

from driver import check

NEW = "another that is long enough"


def asked(url, body=None, token=None):
    """The answer of a call and its status: a GET, or a POST of a body."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def change_password(ann, ben, url, name, password):
    """Refusals are told at their fields; then this session goes on, and all others have ended."""
    def log_in(password):
        return asked(f"{url}/login", {"username": name, "password": password})

    _, elsewhere = log_in(password)
    ann.find("#change-password").click()
    ann.until("the current password has the focus", lambda: ann.focused() == "current-password")
    ann.keys("not the password", Keys.TAB)
    ann.keys(NEW, Keys.ENTER)
    ann.until_text("#current-password-error", "This is not your password.")
    ann.fill("#current-password", password)
    ann.fill("#new-password", "x")
    ann.find("#password-submit").click()
    ann.until("a short password is refused at its field", lambda: ann.find("#new-password-error").text)
    ann.layout()
    ann.shot("06-password")
    ann.fill("#new-password", NEW)
    ann.keys(Keys.ENTER)
    ann.until_shown("#password-done")
    ann.keys(Keys.ESCAPE)
    ann.until("the dialog is gone", lambda: not ann.shown("#password-dialog"))
    check(ann.shown("#room"), "Escape left more than the dialog")
    ann.say("I have another password")
    ben.until_message("I have another password", ".theirs")
    ann.until_tick("I have another password", "seen")

    status, answer = asked(f"{url}/users/me", token=elsewhere["access_token"])
    check((status, answer["code"]) == (401, "session_ended"), f"another session was answered {status} {answer}")
    check(log_in(password)[0] == 401 and log_in(NEW)[0] == 200, "it is not the new password alone that is good")
    ann.driver.refresh()
    ann.until_message("I have another password", ".mine")
    ann.console("401", "422")
