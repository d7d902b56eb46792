"""Each page's first paint in Chromium against that of a Streamlit page with nothing but a title, side by side.

Measured from the start of the navigation until the page's own content is drawn, on servers that have served once before.
Claim: at most 1.5 times the bare page.
"""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.report import interleaved, report
from tests.browser import Server, chromium

PAGES = {"home": "", "chat": "chat", "feedback": "feedback", "datasets": "datasets", "lora": "lora", "runs": "runs"}
BARE = 'import streamlit as st\n\nst.title("Bare")\n'
CONTENT = '[data-testid="stMainBlockContainer"] :is([data-testid="stMarkdown"], [data-testid="stHeading"])'


def main(rounds: int = 7) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        bare_script = Path(folder) / "bare" / "bare.py"
        bare_script.parent.mkdir()
        bare_script.write_text(BARE)
        with Server(bare_script) as bare, Server(home=Path(folder)) as studio:
            urls = {"bare": bare.url} | {name: f"{studio.url}/{path}?as=Ann" for name, path in PAGES.items()}
            for url in urls.values():
                _paint(browser, url)
            taken = interleaved({name: lambda url=url: _paint(browser, url) for name, url in urls.items()}, rounds)
    rows = [
        {"page": name, "seconds": seconds, "times the bare page": seconds / taken["bare"]}
        for name, seconds in taken.items()
    ]
    holds = all(row["times the bare page"] <= 1.5 for row in rows)
    report("2.6-first-paint", "First paint takes at most 1.5 times a bare Streamlit page's", rows, holds)


def _paint(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url, wait_until="commit")
    page.locator(CONTENT).first.wait_for(timeout=60_000)
    page.close()


if __name__ == "__main__":
    main()
