"""A headless Chromium with the web chat in it, and what a user does there."""

import json
import os
import shutil
import tempfile
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

# The driver is reached on this machine, whatever proxy the environment names; nothing is
# downloaded or reported.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"
os.environ["SE_OFFLINE"] = os.environ["SE_AVOID_STATS"] = "true"

DEADLINE = 10


class Failure(Exception):
    """What did not hold, in words."""


def check(held, what):
    if not held:
        raise Failure(what)


def find(kind, names):
    """The program of this kind; the variable CHROMIUM or CHROMEDRIVER names another."""
    given = os.environ.get(kind.upper())
    path = given or next(filter(None, map(shutil.which, names)), None)
    if not path:
        raise Failure(f"no {kind} found: install it, or name it in {kind.upper()}")
    return path


class Page:
    """One browser window: its own process, its own user."""

    def __init__(self, name, url, shots):
        self.name, self.url, self.shots = name, url, shots
        self.profile = tempfile.TemporaryDirectory(prefix="confab-browser-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = find("chromium", ["chromium", "chromium-browser", "google-chrome"])
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--lang=en-US", f"--user-data-dir={self.profile.name}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(
            options=options, service=Service(find("chromedriver", ["chromedriver"])))
        self.driver.set_page_load_timeout(DEADLINE)
        self.driver.set_script_timeout(DEADLINE)
        self.viewport(1280, 800)
        self.driver.get(url)

    def close(self):
        try:
            self.driver.quit()
        finally:
            self.profile.cleanup()

    def viewport(self, width, height, phone=False, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone})
        scheme = "dark" if dark else "light"
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shot(self, name):
        """A screenshot, once what moves has come to rest."""
        self.until("the animations end", lambda: self.js("""
            return document.getAnimations().every((animation) => animation.playState !== 'running'
                || animation.effect.getTiming().iterations === Infinity)"""))
        self.driver.save_screenshot(os.path.join(self.shots, f"{name}-{self.name}.png"))

    # Looking.

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def until(self, what, condition, deadline=DEADLINE):
        """Waits until `condition()` is true; a failure says `what` did not happen."""
        wait = WebDriverWait(self.driver, deadline, 0.05, [StaleElementReferenceException])
        try:
            return wait.until(lambda _: condition())
        except TimeoutException:
            raise Failure(f"{self.name}: within {deadline} s, not: {what}") from None

    def shown(self, selector):
        return self.js("return !!document.querySelector(arguments[0])?.checkVisibility()", selector)

    def until_shown(self, selector, deadline=DEADLINE):
        self.until(f"{selector} is shown", lambda: self.shown(selector), deadline)

    def until_text(self, selector, text):
        self.until(f"{selector} says {text!r}", lambda: text in (self.js(
            "return document.querySelector(arguments[0])?.textContent", selector) or ""))

    def focused(self):
        return self.js("return document.activeElement.id || document.activeElement.className")

    def messages(self, whose=""):
        """The texts of the open conversation, in order: of both, or of `.mine` or `.theirs`."""
        return self.js("""return [...document.querySelectorAll('.msg' + arguments[0] + ' .text')]
            .map((text) => text.textContent)""", whose)

    def until_message(self, text, whose="", deadline=DEADLINE):
        self.until(f"the message {text[:40]!r} is there", lambda: text in self.messages(whose), deadline)

    def tick(self, text):
        """The tick of the own message with this text."""
        return self.js("""return [...document.querySelectorAll('.msg.mine')]
            .find((msg) => msg.querySelector('.text')?.textContent === arguments[0])
            ?.querySelector('.tick').dataset.tick""", text)

    def until_tick(self, text, tick, deadline=DEADLINE):
        self.until(f"{text[:40]!r} is {tick}", lambda: self.tick(text) == tick, deadline)

    # Doing.

    def keys(self, *keys):
        """Types into whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def fill(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def say(self, text):
        self.find("#draft").send_keys(text, Keys.ENTER)
        self.until_message(text, ".mine")

    def begin(self, username):
        self.fill("#new-name", username)
        self.keys(Keys.ENTER)

    # Checking.

    def console(self, *expected):
        """Fails on anything in the console, but for lines that contain an `expected` text."""
        lines = [entry["message"] for entry in self.driver.get_log("browser")]
        left = [line for line in lines if not any(text in line for text in expected)]
        if left:
            raise Failure(f"{self.name}: the browser's console says: {left[0][:500]}")

    def hosts(self):
        """Fails if the page asked any other host for anything."""
        own = urlsplit(self.url).netloc
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            params = event.get("params", {})
            asked = {
                "Network.requestWillBeSent": lambda: params["request"]["url"],
                "Network.webSocketCreated": lambda: params["url"],
            }.get(event["method"], lambda: None)()
            if not asked or urlsplit(asked).scheme not in ("http", "https", "ws", "wss"):
                continue
            if urlsplit(asked).netloc != own:
                raise Failure(f"{self.name}: the page asked another host: {asked}")

    def layout(self):
        """Fails if anything sticks out of the window, or a bubble out of the messages."""
        out = self.js("""
            const page = document.scrollingElement;
            if (page.scrollWidth > innerWidth || page.scrollHeight > innerHeight) return 'the page';
            const log = document.getElementById('log');
            if (!log.checkVisibility()) return null;
            if (log.scrollWidth > log.clientWidth) return 'the messages';
            const box = log.getBoundingClientRect();
            const wide = [...document.querySelectorAll('.bubble')].find((bubble) => {
              const { left, right } = bubble.getBoundingClientRect();
              return left < box.left || right > box.right;
            });
            return wide ? wide.textContent.slice(0, 60) : null;""")
        if out:
            raise Failure(f"{self.name}: the layout is broken by {out}")
