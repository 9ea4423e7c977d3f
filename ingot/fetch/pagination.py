"""From one page to the next, by every kind of pagination that :mod:`ingot.request` declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import count
from typing import Any, Protocol

import httpx

from ingot.errors import PayloadBroken
from ingot.fetch.envelope import Field
from ingot.fetch.page import Answer
from ingot.request import LinkHeader, NextCursor, NextUrl, Offset, PageNumber, Pagination

_MADE = 256  # addresses that are kept: more than are ever asked for at once


class Pager(Protocol):
    """The way through the pages of one pull. It is shown every answer once, in order."""

    def first(self, url: httpx.URL) -> httpx.URL:
        """The first page's address."""

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        """The addresses after this answer's: the first is certain, those behind it are guessed; none: it is the last.

        Raises:
            PayloadBroken: the answer does not say what it should, or ends before its own total.
        """


def pager(how: Pagination | None) -> Pager:
    """The way through the pages, as declared."""
    match how:
        case PageNumber():
            return _Pages(how)
        case Offset():
            return _Offsets(how)
        case NextCursor():
            return _Cursors(how)
        case NextUrl():
            return _NextUrls(how)
        case LinkHeader():
            return _Links()
        case None:
            return _OnePage()


class _OnePage:
    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        return iter(())


class _Known:
    """Where the pages of a pull end whose addresses are known beforehand."""

    def __init__(self, total_pages: str, total_records: str, short_page_ends: bool) -> None:
        self._total_pages = Field(total_pages) if total_pages else None
        self._total_records = Field(total_records) if total_records else None
        self._short_page_ends = short_page_ends
        self._pages = self._records = self._before = 0

    def left(self, answer: Answer) -> int | None:
        """How many pages follow, at least; None: at least one, and nobody knows how many."""
        size = len(answer.page.records)
        self._pages += 1
        self._records += size
        before, self._before = self._before, size
        if self._total_pages:
            total = self._total_pages.count(answer.envelope)
            return self._held(total - self._pages, size, f"{self._pages} of {total} pages")
        if self._total_records:
            total = self._total_records.count(answer.envelope)
            return self._held(-(-(total - self._records) // max(size, 1)), size, f"{self._records} of {total} records")
        return 0 if size == 0 or (self._short_page_ends and size < before) else None

    def _held(self, left: int, size: int, seen: str) -> int:
        if left > 0 and size == 0:
            raise PayloadBroken(
                f"The source's pages end after {seen}.",
                hint="nothing was published; if it happens again, correct the total in source.yaml's pagination",
            )
        return max(left, 0)


class _Numbered(_Known):
    """Addresses that differ in one number."""

    def __init__(self, param: str, start: int, *ends: Any) -> None:
        super().__init__(*ends)
        self._param, self._start = param, start

    def first(self, url: httpx.URL) -> httpx.URL:
        # Each is guessed again with every page before it, and taking an address apart is not cheap.
        self._at: Callable[[int], httpx.URL] = lru_cache(_MADE)(partial(url.copy_set_param, self._param))
        return self._at(self._start)


class _Pages(_Numbered):
    def __init__(self, how: PageNumber) -> None:
        super().__init__(how.param, how.start, how.total_pages, how.total_records, how.short_page_ends)

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        left = self.left(answer)
        following = self._start + self._pages
        return map(self._at, count(following) if left is None else range(following, following + left))


class _Offsets(_Numbered):
    def __init__(self, how: Offset) -> None:
        super().__init__(how.param, how.start, "", how.total_records, how.short_page_ends)

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        size, left = len(answer.page.records), self.left(answer)
        following = self._start + self._records
        offsets = count(following, size) if left is None else range(following, following + left * size, size or 1)
        return map(self._at, offsets)


class _Cursors:
    def __init__(self, how: NextCursor) -> None:
        self._param, self._header = how.param, how.header
        self._next = Field(how.next) if how.next else None
        self._more = Field(how.more) if how.more else None

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        if self._more and not self._more.flag(answer.envelope):
            return
        cursor = self._next.text(answer.envelope) if self._next else answer.headers.get(self._header, "").strip()
        if cursor:
            yield url.copy_set_param(self._param, cursor)
        elif self._more:
            where = self._next.path if self._next else self._header
            raise PayloadBroken(
                f"The source says that there are more pages, and has no cursor at {where}.",
                hint="nothing was published; look at pagination in source.yaml",
            )


class _NextUrls:
    def __init__(self, how: NextUrl) -> None:
        self._next = Field(how.next)

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        following = self._next.text(answer.envelope)
        return iter([_joined(url, following)] if following else [])


class _Links:
    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def ahead(self, url: httpx.URL, answer: Answer) -> Iterator[httpx.URL]:
        for relation, link in answer.links.items():
            if "next" in (relation or "").lower().split():
                return iter([_joined(url, link["url"])])
        return iter(())


def _joined(url: httpx.URL, following: str) -> httpx.URL:
    try:
        return url.join(following)
    except (httpx.InvalidURL, ValueError):
        raise PayloadBroken(
            "The source's answer names a next page by something that is no URL.",
            hint="ask the source by hand; if it changed its shape, change pagination in source.yaml",
        ) from None
