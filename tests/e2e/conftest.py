"""One Chromium for all browser tests, a server of its own for each, and the clicks that many of them share."""

import contextlib
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as TooLate

from tests.browser import Server, chromium

MINUTES = 60_000
expect.set_options(timeout=2 * MINUTES)  # a reply on two busy cores takes its time


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def server(studio_home):
    """The studio on a free port, writing under the test's folder."""
    with Server(home=studio_home) as server:
        yield server
    print((studio_home / "streamlit.log").read_text()[-20_000:])  # pytest shows it where a test failed


class Person:
    """Somebody at a browser.

    Args:
        browser: Chromium.
        server: the studio.
        name: what they give as their name; None leaves it to the test.
    """

    def __init__(self, browser: Browser, server: Server, name: str | None = "Ann", language: str = "en-US"):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale=language)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(2 * MINUTES)
        self.name = name
        self._url = server.url
        self._query = f"?as={name}" if name else ""
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, path: str = "") -> Page:
        """Go to a page by its address."""
        self.page.goto(f"{self._url}/{path}{self._query}")
        self.settle()
        return self.page

    def click_nav(self, label: str) -> None:
        """Go to a page as people do."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=label, exact=True).click()
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run; a click takes a moment to start it."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_selector('[data-testid="stMainBlockContainer"]')
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def widget(self, key: str):
        """The element of a widget by its key."""
        return self.page.locator(f".st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key)}")

    def keyed(self, beginning: str):
        """All elements whose widget key begins so, in the order of the page."""
        return self.page.locator(f'[class*="st-key-{re.sub(r"[^a-zA-Z0-9_-]", "-", beginning)}"]')

    def ask(self, words: str, wait: bool = True) -> None:
        """Write into the chat; by default wait for the whole reply."""
        box = self.page.get_by_test_id("stChatInputTextArea")
        expect(box).to_be_enabled()
        before = self.keyed("regenerate-").count()
        box.fill(words)
        box.press("Enter")
        if wait:
            expect(self.keyed("regenerate-")).to_have_count(before + 1)
            self.settle()

    def sees_words(self) -> None:
        """Wait until some words of the reply in progress are there."""
        avatar = self.page.get_by_test_id("stChatMessageAvatarAssistant")
        reply = self.page.get_by_test_id("stChatMessage").filter(has=avatar).last
        expect(reply).to_have_text(re.compile(r"(\w+\W+){4}"))

    def new_conversation(self) -> None:
        """Begin one; it keeps the settings."""
        self.widget("chat.new").get_by_role("button").click()
        expect(self.page.get_by_text("Ask something")).to_be_visible()
        self.settle()

    def last_reply(self) -> str:
        """The text of the last message."""
        return self.page.get_by_test_id("stChatMessage").last.get_by_test_id("stMarkdown").first.inner_text()

    def choose(self, label: str, option: str, nth: int = 0) -> None:
        """Pick an option of a select box; a page that is just being drawn closes the list, which is then opened once more."""
        wanted = self.page.get_by_role("option", name=option, exact=True)
        for _ in range(5):
            self.page.get_by_role("combobox", name=label, exact=True).nth(nth).click()
            with contextlib.suppress(TooLate):
                wanted.click(timeout=5000)
                break
            self.page.keyboard.press("Escape")
        else:
            raise AssertionError(f"“{label}” has no option “{option}”")
        self.settle()

    def set_sampling(self, temperature_zero: bool = True, longest: int = 24) -> None:
        """Short and greedy replies, through the page's own controls."""
        self.page.get_by_test_id("stMainBlockContainer").get_by_test_id("stPopoverButton").first.click()
        tokens = self.page.get_by_label("Longest reply, in tokens", exact=True)
        tokens.fill(str(longest))
        tokens.press("Enter")
        self.settle()
        if temperature_zero:
            slider = self.page.get_by_test_id("stSlider").filter(has_text="Temperature").get_by_role("slider")
            slider.focus()
            slider.press("Home")
            self.settle()
        self.page.keyboard.press("Escape")


@pytest.fixture
def person(browser, server):
    """`person("Ann")` opens a browser of their own."""
    people: list[Person] = []

    def make(name: str | None = "Ann", language: str = "en-US") -> Person:
        people.append(Person(browser, server, name, language))
        return people[-1]

    yield make
    for someone in people:
        someone.page.context.close()
        assert not someone.problems, someone.problems
