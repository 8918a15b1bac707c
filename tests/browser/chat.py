"""Two people chat at `/`, each in a real browser of their own.

    chat.py --url http://127.0.0.1:8080 --shots DIR [--restart-cmd CMD | --no-restart]

The last part needs the daemon to be restarted on the same address: by CMD, else by whoever
started this program, who reads `RESTART NOW` from its standard output and writes `RESTARTED` to
its standard input. Exits with 1 and says what failed at the first failure; screenshots are in DIR.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from websockets.sync.client import connect

from driver import Failure, Page, check
from password import change_password

PASSWORD = "a long enough password"
TAG = secrets.token_hex(3)
ANN, BEN = f"ann-{TAG}", f"ben.{TAG}"
HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'> & <b>bold</b>"
LONG_WORD = "W" + "o" * 500 + "w"
MANY = 130


def sign_in(ann, ben):
    """Refusals are told where they belong; one registers by mouse, the other by keyboard alone."""
    ann.until_shown("#signin")
    ann.fill("#username", f"nobody-{TAG}")
    ann.fill("#password", "not the password")
    ann.find("#submit").click()
    ann.until("a failing login shows the server's text", lambda: ann.find("#form-error").text)
    check("not reached" not in ann.find("#form-error").text, "the login failed for another reason")
    ann.shot("01-login-refused")

    ann.find("#tab-register").click()
    ann.fill("#username", ANN)
    ann.fill("#display", "Ann Example")
    ann.fill("#password", "x")
    ann.find("#submit").click()
    ann.until("a short password is refused at its field", lambda: ann.find("#password-error").text)
    ann.fill("#password", PASSWORD)
    ann.find("#submit").click()
    ann.until_text("#me-username", f"@{ANN}")
    ann.until_text("#me-name", "Ann Example")
    ann.until_text("#list-note", "Nobody here yet")
    ann.console("401", "422", "400")
    ann.shot("02-empty")

    ben.until("the username has the focus", lambda: ben.focused() == "username")
    ActionChains(ben.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    ben.keys(Keys.ARROW_RIGHT)
    check(ben.focused() == "tab-register", "the tabs do not obey the arrow keys")
    ben.keys(Keys.TAB)
    ben.keys(ANN)
    ben.keys(Keys.TAB)
    ben.keys(Keys.TAB)
    ben.keys(PASSWORD, Keys.ENTER)
    ben.until("a taken username is refused at its field", lambda: ben.find("#username-error").text)
    check(ben.focused() == "username", "the refused field does not have the focus")
    ben.fill("#username", BEN)
    ben.keys(Keys.ENTER)
    ben.until_text("#me-username", f"@{BEN}")
    ben.console("409")


def first_message(ann, ben):
    ann.begin(f"nobody-{TAG}")
    ann.until_text("#new-error", f"There is no user @nobody-{TAG} here.")
    ann.begin(f"@{BEN.upper()}")
    ann.until_text("#room-name", BEN)
    ann.console("404")
    ann.say("Hello Ben!")
    ann.until_tick("Hello Ben!", "stored")

    ben.until_text(".row .badge", "1")
    ben.until_text(".row .name", "Ann Example")
    ben.until_text(".row .preview", "Hello Ben!")
    ben.until("the title counts the unread", lambda: ben.driver.title == "(1) confab")
    ben.shot("03-unread")
    check(ann.tick("Hello Ben!") == "stored", "a message that nobody has seen is marked as seen")

    ben.find(".row").click()
    ben.until_message("Hello Ben!", ".theirs")
    ann.until_tick("Hello Ben!", "seen")
    ben.until("the badge is gone", lambda: not ben.shown(".row .badge"))
    ben.until("the title counts nothing", lambda: ben.driver.title == "confab")


def typing(ann, ben):
    ben.find("#draft").send_keys("Hi")
    ann.until_shown(".is-typing .dots")
    ann.until_text("#room-sub", "typing…")
    ann.shot("04-typing")
    ben.find("#draft").send_keys(Keys.BACKSPACE, Keys.BACKSPACE)
    ann.until("the typing sign is gone", lambda: not ann.shown(".is-typing .dots"))
    ben.say("Hi Ann, here I am.")
    ann.until_message("Hi Ann, here I am.", ".theirs")
    ben.until_tick("Hi Ann, here I am.", "seen")


def hostile(ann, ben):
    """What a user types is text, whatever it looks like, and the layout holds."""
    ben.say(HOSTILE)
    ben.say(LONG_WORD)
    ben.say("שלום, what a מסיבה")
    # The driver can't type characters beyond the basic plane; the browser's own input can.
    ben.find("#draft").click()
    ben.driver.execute_cdp_cmd("Input.insertText", {"text": "👩🏽‍🚀🎉"})
    ben.keys(Keys.ENTER)
    ben.find("#draft").send_keys("two", Keys.SHIFT + Keys.ENTER + Keys.NULL, "lines", Keys.ENTER)
    for text in (HOSTILE, LONG_WORD, "👩🏽‍🚀🎉", "two\nlines"):
        ann.until_message(text, ".theirs")
        ben.until_tick(text, "seen")
    for page in (ann, ben):
        check(page.js("return window.pwned") is None, f"{page.name}: a message ran as a script")
        check(page.js("return document.querySelectorAll('#app .text *').length") == 0,
              f"{page.name}: a message became markup")
        page.layout()
        page.shot("05-hostile")


def edited(ann, ben):
    """A message that an entry of the chain changed says so, at its recipient and at its sender."""
    text = "this one was changed on its way"
    for page in (ann, ben):
        page.js("""
            const text = arguments[0];
            const plain = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
            Object.defineProperty(MessageEvent.prototype, 'data', { get() {
              const data = plain.get.call(this);
              return data.includes(text) ? data.replace(/}$/, ',"changed_by":["words","no-links"]}') : data;
            } });""", text)
    ben.say(text)
    for page, side in ((ann, "theirs"), (ben, "mine")):
        page.until_message(text, f".{side}")
        page.until_text(f".{side} .edited", "edited by words, no-links")
        check(len(page.driver.find_elements(By.CSS_SELECTOR, ".edited")) == 1, "others are marked as edited")
        page.layout()
        page.shot("05-edited")


def lost_delivery(ann, ben):
    """A message that does not arrive is missed at the next one, asked for, and shown in its place."""
    ann.js("""
        const plain = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
        Object.defineProperty(MessageEvent.prototype, 'data', { get() {
          const data = plain.get.call(this);
          return data.startsWith('{"event":"message"') && data.includes('lost on its way') ? '{}' : data;
        } });
        const { send } = WebSocket.prototype;
        window.syncs = [];
        WebSocket.prototype.send = function (frame) {
          if (frame.includes('"event":"sync"')) window.syncs.push(JSON.parse(frame));
          send.call(this, frame);
        };""")
    ben.say("lost on its way")
    ben.until("it is stored", lambda: ben.tick("lost on its way") == "stored")
    check("lost on its way" not in ann.messages(), "the message was not lost")
    ben.say("and the next one")
    ann.until_message("and the next one", ".theirs")
    check(ann.messages()[-2:] == ["lost on its way", "and the next one"], "the hole was not filled in its place")
    ben.until_tick("lost on its way", "seen")
    syncs = ann.js("return window.syncs")
    check(len(syncs) == 1 and syncs[0]["between"] == [None, None] and len(syncs[0]["have"]) == 1 and syncs[0]["id"],
          f"the hole was asked for with {syncs}")


def keyboard(ann, ben):
    """Ann notes something for later, goes to the list and back, without a mouse."""
    ann.find("#draft").send_keys("not sent yet")
    ann.keys(Keys.ESCAPE)
    ann.until("Escape leads to the list", lambda: ann.focused() == "row")
    ann.until_text(".row .preview", "Draft: not sent yet")
    check(ann.shown("#welcome"), "Escape did not close the conversation")
    ann.driver.refresh()
    ann.until_text(".row .preview", "Draft: not sent yet")
    ann.js("document.querySelector('.row').focus()")
    ann.keys(Keys.ENTER)
    ann.until("the draft has the focus", lambda: ann.focused() == "draft")
    check(ann.find("#draft").get_attribute("value") == "not sent yet", "a draft was lost by a reload")
    ann.keys(" but now", Keys.ENTER)
    ben.until_message("not sent yet but now", ".theirs")
    outline = ann.js("return getComputedStyle(document.querySelector('.grow')).outlineStyle")
    check(outline == "solid", "the focus is not visible")


def phone(ben):
    """On a phone the list and the conversation are two screens."""
    ben.viewport(390, 844, phone=True, dark=True)
    ben.until("the list gives way to the conversation", lambda: ben.shown("#room") and not ben.shown("#side"))
    ben.layout()
    ben.shot("06-phone-dark")
    ben.find("#back").click()
    ben.until("the conversation gives way to the list", lambda: ben.shown("#side") and not ben.shown("#room"))
    ben.layout()
    ben.shot("07-phone-list-dark")
    ben.find(".row").click()
    ben.until_shown("#draft")
    ben.driver.back()
    ben.until_shown("#side")
    ben.find(".row").click()
    ben.until_shown("#draft")
    ben.viewport(390, 844, phone=True)
    ben.shot("08-phone")


def long_history(ann, url):
    """Ben writes a lot from another device: Ann gets it live, and pages back without a jump."""
    body = json.dumps({"username": BEN, "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{url}/login", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        account = json.load(answer)
    address = f"{url.replace('http', 'ws', 1)}/ws/{account['user_id']}?token={account['access_token']}"
    with connect(address, proxy=None, open_timeout=10) as socket:
        for n in range(MANY):
            socket.send(json.dumps({"event": "message", "to": f"@{ANN}", "content": f"line {n} " + "and on " * (n % 9)}))
        while f"line {MANY - 1} " not in socket.recv(timeout=10):
            pass
        ann.until("the whole burst arrived", lambda: sum(text.startswith("line ") for text in ann.messages()) == MANY)
    expected = ann.messages()
    check([text.split()[1] for text in expected if text.startswith("line ")] == [str(n) for n in range(MANY)],
          "the burst is out of order")

    ann.driver.refresh()
    ann.until("the newest page is there", lambda: expected[-1] in ann.messages())
    # The position is chosen for good when the first page of history is in.
    ann.until("the page of history is there", lambda: len(ann.messages()) >= 40)
    check(len(ann.messages()) < len(expected), "all of the history was fetched at once")
    while len(ann.messages()) < len(expected):
        held = len(ann.messages())
        ann.js("""
            const log = document.getElementById('log');
            log.scrollTop = 0;
            window.anchor = [...document.querySelectorAll('.msg')].find((msg) => msg.getBoundingClientRect().bottom > log.getBoundingClientRect().top);
            window.anchorTop = anchor.getBoundingClientRect().top;""")
        ann.until("an older page arrives", lambda: len(ann.messages()) > held)
        moved = abs(ann.js("return anchor.getBoundingClientRect().top - anchorTop"))
        check(moved < 3, f"an older page moved what one was reading by {moved:.0f} pixels")
    check(ann.messages() == expected, "the history differs from what was seen live")
    ann.shot("09-history")
    ann.until_shown("#jump")
    ann.find("#jump").click()
    ann.until("the end is in view", lambda: not ann.shown("#jump"))


def lost_echo(ann, ben):
    """The connection breaks between a message and its echo: it is sent again, and stored once."""
    text = "the echo of this one is lost"
    ann.js("""
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (frame) {
          send.call(this, frame);
          if (!frame.includes(arguments[0]) || window.cut) return;
          window.cut = true;
          this.close();
        };""".replace("arguments[0]", json.dumps(text)))
    ann.say(text)
    ann.until("the connection was cut", lambda: ann.js("return window.cut"))
    ann.until_tick(text, "seen", 20)
    ben.until_message(text, ".theirs")
    ben.say("it came")
    ann.until_message("it came", ".theirs")
    ann.driver.refresh()
    ann.until_message("it came", ".theirs")
    for page in (ann, ben):
        check(page.messages().count(text) == 1, f"{page.name}: the message is there {page.messages().count(text)} times")


def reconnect(ann, ben, restart):
    """What is written while the daemon is away arrives afterwards, exactly once."""
    text = "written while the daemon was away"
    ann.js("""
        const app = document.getElementById('app');
        new MutationObserver((_, observer) => {
          if (app.dataset.connection === 'open') return;
          observer.disconnect();
          const draft = document.getElementById('draft');
          draft.value = arguments[0];
          draft.dispatchEvent(new Event('input'));
          document.getElementById('composer').requestSubmit();
        }).observe(app, { attributeFilter: ['data-connection'] });""", text)
    restart()
    ann.until_tick(text, "seen", 40)
    ben.until_message(text, ".theirs", 40)
    ben.say("and I am back as well")
    ann.until_message("and I am back as well", ".theirs")
    for page in (ann, ben):
        page.driver.refresh()
        page.until_message("and I am back as well")
        page.until("the page of history is there", lambda page=page: len(page.messages()) >= 40)
        check(page.messages().count(text) == 1, f"{page.name}: the message is there {page.messages().count(text)} times")
        page.console("WebSocket connection to", "net::ERR_", "503")
        page.shot("10-after-restart")


def log_out(ann):
    ann.find("#draft").send_keys("secret thoughts")
    ann.find("#logout").click()
    ann.until_shown("#signin")
    check(ann.js("return JSON.stringify([sessionStorage, localStorage])").find("secret") < 0
          and ann.js("return sessionStorage.getItem('confab.session')") is None, "logging out left something behind")
    check(not ann.driver.find_elements(By.CSS_SELECTOR, ".msg, .row"), "logging out left messages in the page")


def by_caller():
    print("RESTART NOW", flush=True)
    answer = sys.stdin.readline().strip()
    check(answer == "RESTARTED", f"expected RESTARTED on standard input, got {answer!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--shots", required=True)
    parser.add_argument("--restart-cmd")
    parser.add_argument("--no-restart", action="store_true")
    options = parser.parse_args()
    url = options.url.rstrip("/")
    os.makedirs(options.shots, exist_ok=True)
    restart = by_caller
    if options.restart_cmd:
        def restart():
            subprocess.run(options.restart_cmd, shell=True, check=True, timeout=60)

    pages = []
    begun = time.monotonic()
    try:
        for name in ("ann", "ben"):
            pages.append(Page(name, f"{url}/", options.shots))
        ann, ben = pages
        parts = [
            (sign_in, ann, ben), (first_message, ann, ben), (typing, ann, ben), (hostile, ann, ben), (edited, ann, ben),
            (lost_delivery, ann, ben),
            (keyboard, ann, ben), (change_password, ann, ben, url, ANN, PASSWORD), (phone, ben), (long_history, ann, url),
            (lost_echo, ann, ben),
        ]
        if not options.no_restart:
            parts.append((reconnect, ann, ben, restart))
        parts.append((log_out, ann))
        for part, *arguments in parts:
            part(*arguments)
            for page in pages:
                page.console()
                page.hosts()
            print(f"ok {part.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    except Exception as error:  # noqa: BLE001: whatever it is, say it and keep the pictures
        for page in pages:
            try:
                page.shot("failed")
            except Exception:  # noqa: BLE001, S110: the browser itself may be gone
                pass
        print(f"FAILED: {error if isinstance(error, Failure) else repr(error)}", file=sys.stderr)
        return 1
    finally:
        for page in pages:
            page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
