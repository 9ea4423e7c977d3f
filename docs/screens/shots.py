"""One page, one picture; a page is worth one if it answers, says what it should, and nothing went wrong on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

Scheme = Literal["light", "dark"]

WIDE: Final = (1280, 800)
NARROW: Final = (390, 844)
TALLEST: Final = 1600
"""Pixels; what is longer is cut off below."""

WRONG: Final = ("Traceback (most recent call last)", "Internal Server Error", "Something went wrong")
"""What no page may say."""


class ScreenError(Exception):
    """A page is not what a picture should be taken of."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A picture.

    Attributes:
        name: of its file, without the ending.
        address: of the page.
        shows: texts that have to be on it; it is taken when they are.
        size: of the window. A page that is longer makes it higher.
        scheme: the reader's taste.
        cookies: what lets him in.
        steps: what he does before, as the page has come.
    """

    name: str
    address: str
    shows: Sequence[str]
    size: tuple[int, int] = WIDE
    scheme: Scheme = "light"
    cookies: Sequence[dict[str, str]] = ()
    steps: Callable[[Page], None] | None = None
    grows: bool = True
    wrong: Sequence[str] = field(default=WRONG)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, without a window.

    Raises:
        ScreenError: there is none.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None:
        raise ScreenError("There is no Chromium on this machine's PATH. Next: install chromium, or Google Chrome.")
    with sync_playwright() as playwright:
        # Containers have no user namespace for its sandbox; it opens pages of this machine only.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def take(browser: Browser, shot: Shot, folder: Path, *, seconds: float = 60) -> Path:
    """Takes it.

    Raises:
        ScreenError: the page does not answer, lacks what it should show, or says that something went wrong; a script on
            it failed; or it asks another server than its own.
    """
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=shot.scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(seconds * 1000)
    page = context.new_page()
    try:
        context.add_cookies(list(shot.cookies))  # type: ignore[arg-type]
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda request: failed.extend(_elsewhere(request.url, shot.address)))
        _open(page, shot)
        if shot.grows:
            tall = int(page.evaluate("document.documentElement.scrollHeight"))
            page.set_viewport_size({"width": width, "height": min(max(tall, height), TALLEST)})
        page.wait_for_load_state("networkidle")
        said = page.inner_text("body")
        if wrong := [text for text in shot.wrong if text in said] + failed:
            raise ScreenError(f"{shot.name}: {shot.address} says {wrong[0]!r}")
        file = folder / f"{shot.name}.png"
        page.screenshot(path=file, animations="disabled")
        return file
    except PlaywrightError as error:
        seen = folder / f"{shot.name}-failed.png"
        with suppress(PlaywrightError):
            page.screenshot(path=seen)
        raise ScreenError(f"{shot.name}: {shot.address}: {error.message}\nWhat was seen is in {seen}.") from error
    finally:
        context.close()


def _elsewhere(url: str, address: str) -> list[str]:
    """What a page asks of others than its own server: who looks at a demo is nobody's business."""
    asked, own = urlsplit(url), urlsplit(address)
    return [] if asked.scheme in ("data", "blob") or asked[:2] == own[:2] else [f"asks {url}"]


def _open(page: Page, shot: Shot) -> None:
    answer = page.goto(shot.address)
    if answer is not None and answer.status >= 400:
        raise ScreenError(f"{shot.name}: {shot.address} answered {answer.status}")
    if shot.steps is not None:
        shot.steps(page)
    for text in shot.shows:
        page.get_by_text(text).locator("visible=true").first.wait_for()
