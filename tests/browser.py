"""A real browser on the pages: Debian's Chromium, driven by Playwright.

A page that asks another host, logs an error or breaks its own security policy fails
the test that opened it. Screenshots land in test-artifacts/.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright, expect

ARTIFACTS = Path(__file__).parents[1] / "test-artifacts"
# The last four: nothing of the browser itself looks for a network.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MILLISECONDS = 30_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 780}


class Viewer:
    """Opens pages of sites, and keeps what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.faults: list[str] = []
        self.hosts: set[str] = set()

    async def open(
        self, url: str, *, dark: bool = False, size=None, route=None
    ) -> Page:
        """Open a page; route is (glob, handler) for answers to tamper with."""
        context = await self._browser.new_context(
            viewport=size or DESK, color_scheme="dark" if dark else "light"
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._console)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        if route:
            await page.route(*route)
        await page.goto(url)
        return page

    def _console(self, message) -> None:
        # What the network does to a page is the tests' doing; the rest is a fault.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)


@asynccontextmanager
async def a_viewer() -> AsyncIterator[Viewer]:
    """Start a browser for the block."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is not here: make browser"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=OPTIONS
        )
        try:
            yield Viewer(browser)
        finally:
            await browser.close()


async def shoot(page: Page, name: str) -> None:
    """Keep a screenshot for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"{name}.png")


async def column(page: Page, number: int) -> list[str]:
    """Return the texts of a column of the table of windows, as far as it is drawn."""
    return await page.eval_on_selector_all(
        "#windows tbody tr:not(.space)",
        f"rows => rows.map((row) => row.cells[{number}].innerText)",
    )


async def layout_shift(page: Page, milliseconds: int) -> float:
    """Return how much the layout moves by itself within a time; 0: not at all."""
    return await page.evaluate(
        """async (milliseconds) => {
            let moved = 0;
            const observer = new PerformanceObserver((list) => {
              for (const entry of list.getEntries()) moved += entry.value;
            });
            observer.observe({ type: "layout-shift" });
            await new Promise((done) => setTimeout(done, milliseconds));
            return moved;
        }""",
        milliseconds,
    )
