"""How an answer leads to the next one: what the first answer hints at, held to a second one that is really asked for.

A page size that the source knows is found by asking for fewer records than it sends by itself: then the next page must
hold exactly the records that were left out. So also a list that fits into one page shows how it is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from ingot.discover.asking import Asker, Reply
from ingot.discover.envelope import Place, path_of, records_at, scalars
from ingot.discover.questions import Questions
from ingot.errors import ConfigurationError
from ingot.request import LinkHeader, NextCursor, NextUrl, Offset, PageNumber, Pagination

_SIZES = ("limit", "per_page", "page_size", "pageSize", "size", "count", "top", "$top", "perPage", "pagesize", "rows")
_PAGES = ("page", "p", "page_number", "pageNumber", "page[number]")
_OFFSETS = ("offset", "skip", "start", "$skip", "from", "startIndex", "page[offset]")
_CURSORS = (
    "cursor",
    "after",
    "page_token",
    "pageToken",
    "starting_after",
    "continuation",
    "next",
    "token",
    "marker",
    "since_id",
    "continuationToken",
    "next_token",
    "nextToken",
    "page_info",
)
_WANTED_SIZE = 100
_CURSOR_NAMES = re.compile(
    r"cursor|continuation|page_?token|next_?token|scroll|next_?key|marker|after$|next", re.IGNORECASE
)
_HEADER_NAMES = re.compile(r"cursor|continuation|next|page-?token", re.IGNORECASE)
_NEXT_NAMES = re.compile(r"next", re.IGNORECASE)
_MORE_NAMES = re.compile(r"^(has_?more|more|has_?next(_?page)?|is_?truncated)$", re.IGNORECASE)
_TOTAL_NAMES = re.compile(r"total|count|hits|^num_?found$|^size$", re.IGNORECASE)
_TOTAL_PAGES = re.compile(r"^(total_?)?pages$|page_?count|total_?pages|last_?page|^nb_?pages$", re.IGNORECASE)


@dataclass
class Paging:
    """What is known of the pages.

    Attributes:
        how: as ``source.yaml`` declares it; None: there is one answer.
        params: further parameters of the request: the size of a page.
        why: the evidence, by what it is for.
    """

    how: Pagination | None
    params: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


class Prober:
    """Finds out how a source cuts its list into pages.

    Args:
        asker: asks it.
        url: what was given, less what turns out to belong to the pagination.
        place: where the records are.
        questions: who is asked if the source names a next page that cannot be reached.
        param: the parameter that takes a cursor, if somebody said it; ``none``: there is one page.
    """

    def __init__(self, asker: Asker, url: httpx.URL, place: Place, questions: Questions, *, param: str = "") -> None:
        self._asker, self._url, self._place, self._questions = asker, url, place, questions
        self._param = "" if param == "none" else param
        self._tried: list[str] = []
        self._hints: list[str] = []
        self._forgiven = param == "none"

    def probe(self) -> Paging:
        """How the pages follow each other, as far as the answers show it."""
        self._first = self._asker.get(self._url)
        self._records = self._of(self._first) or []
        paging = self._led(self._url, self._records)
        size = self._size(given=paging is not None)
        if paging is None and size is not None:
            paging = self._led(*size.cut) or self._numbered(*size.cut)
        elif paging is None:
            paging = self._numbered(self._url, None)
        if paging is None:
            return self._none()
        if size is not None and paging.how is not None:
            paging.params |= size.params
            paging.why |= size.why
        return paging

    def _none(self) -> Paging:
        tried = ", ".join(dict.fromkeys(self._tried)) or "nothing"
        if not self._hints or self._forgiven:
            broken = f"; not answered: {' '.join(self._asker.broken[:3])}" if self._asker.broken else ""
            return Paging(None, why={"pagination": f"no next page is named; {tried} change nothing{broken}"})
        where = ", ".join(dict.fromkeys(self._hints))
        param = self._questions.choose(
            f"The source names a next page ({where}), and no parameter that was tried takes it. Which one does?",
            [("none", "there is one page only")],
            option="--next-param NAME",
            default=None,
        )
        if param == "none":
            return Paging(None, why={"pagination": f"given, though the answer names a next page: {where}"})
        self._param = param
        paging = self._led(self._url, self._records)
        if paging is None:
            raise ConfigurationError(
                f"The parameter {param} does not lead to a next page either.", hint="look at the source's documentation"
            )
        return paging

    # -- what an answer itself names -------------------------------------------------------------------------------

    def _led(self, url: httpx.URL, shown: list[Any] | None) -> Paging | None:
        reply = self._asker.get(url)
        records = self._of(reply) or []
        return self._link(reply, records) or self._next_url(reply, records) or self._cursor(url, reply, records)

    def _link(self, reply: Reply, records: list[Any]) -> Paging | None:
        links = httpx.Response(200, headers=reply.headers).links
        for relation, link in links.items():
            if "next" in (relation or "").lower().split() and self._goes_on(reply.url.join(link["url"]), records):
                return Paging(LinkHeader(), why={"pagination": self._verified("the header Link names it", records)})
        return None

    def _next_url(self, reply: Reply, records: list[Any]) -> Paging | None:
        for names, value in scalars(reply.value, self._place):
            if not (isinstance(value, str) and any(map(_NEXT_NAMES.search, names)) and _is_address(value)):
                continue
            if self._goes_on(reply.url.join(value), records):
                why = self._verified(f"{path_of(names)} is its address", records)
                return Paging(NextUrl(next=path_of(names)), why={"pagination": why})
        return None

    def _cursor(self, url: httpx.URL, reply: Reply, records: list[Any]) -> Paging | None:
        more = next(
            (path_of(names) for names, value in scalars(reply.value, self._place)
             if value is True and _MORE_NAMES.match(names[-1])), "",
        )  # fmt: skip
        for names, value in scalars(reply.value, self._place):
            if not _is_cursor(names, value):
                continue
            self._hints.append(path_of(names))
            for param in self._params(names[-1]):
                if self._goes_on(url.copy_set_param(param, value), records):
                    why = {"pagination": self._verified(f"{path_of(names)} sent as {param}", records)}
                    if more:
                        why["more"] = "true in the first answer"
                    return Paging(NextCursor(param=param, next=path_of(names), more=more), why=why)
        return self._header_cursor(url, reply, records)

    def _header_cursor(self, url: httpx.URL, reply: Reply, records: list[Any]) -> Paging | None:
        if "header" not in NextCursor.__struct_fields__:
            return None
        for header, value in reply.headers.items():
            if not _HEADER_NAMES.search(header) or not value or header.lower() == "link":
                continue
            self._hints.append(f"the header {header}")
            for param in self._params(header):
                if self._goes_on(url.copy_set_param(param, value), records):
                    why = self._verified(f"the header {header} sent as {param}", records)
                    name = "-".join(part.capitalize() for part in header.split("-"))
                    return Paging(NextCursor(param=param, header=name), why={"pagination": why})
        return None

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _numbered(self, url: httpx.URL, expected: list[Any] | None) -> Paging | None:
        """Pages by number or by offset.

        Args:
            url: the first page.
            expected: what the second page must hold, if that is known.
        """
        first = self._asker.get(url)
        records = self._of(first) or []
        if not records:
            return None
        for param in _PAGES:
            second, start = self._page(url.copy_set_param(param, 2), records, None, param), 1
            if second is not None:
                start = 1 if self._of(self._asker.get(url.copy_set_param(param, 1))) == records else 0
            elif expected and self._of(self._asker.get(url.copy_set_param(param, 2))) != records:
                # The parameter does something; where pages count from 0, the second may be the last.
                second, start = self._page(url.copy_set_param(param, 1), records, expected, param), 0
            if second is not None:
                how = PageNumber(param=param, start=start, **self._totals(first, second, len(records), pages=True))
                return Paging(how, why=self._why_numbered(f"{param}={second.url.params[param]}", how, records))
        for param in dict.fromkeys((*self._said_by(first, 0), *_OFFSETS)):
            second = self._page(url.copy_set_param(param, len(records)), records, expected, param)
            if second is not None:
                totals = self._totals(first, second, len(records), pages=False)
                how_offset = Offset(param=param, **totals)
                return Paging(how_offset, why=self._why_numbered(f"{param}={len(records)}", how_offset, records))
        return None

    def _page(self, url: httpx.URL, records: list[Any], expected: list[Any] | None, param: str) -> Reply | None:
        self._tried.append(param)
        reply = self._asker.get(url)
        found = self._of(reply)
        if not found or _keys(found) & _keys(records):
            return None
        return None if expected is not None and _keys(found) - _keys(expected) else reply

    def _totals(self, first: Reply, second: Reply, size: int, *, pages: bool) -> dict[str, Any]:
        """Where the answers say how much there is: a number that stays the same, and is at least what was seen."""
        later = dict(scalars(second.value, self._place))
        same = [
            (names, value)
            for names, value in scalars(first.value, self._place)
            if type(value) is int and later.get(names) == value
        ]
        for names, value in same:
            if _TOTAL_NAMES.search(names[-1]) and not _TOTAL_PAGES.search(names[-1]) and value > size:
                return {"total_records": path_of(names)}
        for names, value in same:
            if pages and _TOTAL_PAGES.search(names[-1]) and value >= 2:
                return {"total_pages": path_of(names)}
        return {}

    def _why_numbered(self, asked: str, how: PageNumber | Offset, records: list[Any]) -> dict[str, str]:
        why = {"pagination": self._verified(asked, records)}
        for name in ("total_records", "total_pages"):
            if path := getattr(how, name, ""):
                told = {path_of(names): value for names, value in scalars(self._first.value, self._place)}
                why[name] = f"{told.get(path)} in the first answer, and the same in the second"
        if isinstance(how, PageNumber):
            why["start"] = f"{how.param}={how.start} is the first page"
        return why

    def _said_by(self, reply: Reply, value: int, least: int = 0) -> Iterator[str]:
        """Names of numbers in an answer that may be those of the parameters that they repeat (``startAt: 0``).

        Args:
            value: what the parameter would be by itself.
            least: it may be so much or more, but no total.
        """
        for names, found in scalars(reply.value, self._place):
            plain = names[-1]
            if type(found) is not int or _TOTAL_NAMES.search(plain) or _TOTAL_PAGES.search(plain):
                continue
            if found == value or (least and found >= least):
                yield plain

    # -- size ------------------------------------------------------------------------------------------------------

    def _size(self, *, given: bool) -> _Size | None:
        records = self._records
        if len(records) < 2:
            return None
        fewer = max(1, len(records) // 2)
        known = [name for name in _SIZES if name in self._url.params]
        if known:
            cut = self._asker.get(self._url.copy_set_param(known[0], fewer))
            return _Size({}, {}, (cut.url, records[fewer : 2 * fewer])) if self._of(cut) == records[:fewer] else None
        for param in dict.fromkeys((*self._said_by(self._first, len(records), least=len(records)), *_SIZES)):
            cut = self._asker.get(self._url.copy_set_param(param, fewer))
            if self._of(cut) != records[:fewer]:
                continue
            more = self._of(self._asker.get(self._url.copy_set_param(param, _WANTED_SIZE))) or []
            why = f"{fewer} records with {fewer}, {len(more)} with {_WANTED_SIZE}, {len(records)} without it"
            size = str(_WANTED_SIZE) if len(more) >= len(records) else str(len(records))
            return _Size({param: size}, {param: why}, (cut.url, records[fewer : 2 * fewer]))
        return None

    def _params(self, name: str) -> Iterator[str]:
        return iter([self._param]) if self._param else _params_of(name)

    # -- comparing -------------------------------------------------------------------------------------------------

    def _of(self, reply: Reply) -> list[Any] | None:
        return records_at(reply.value, self._place) if reply.ok else None

    def _goes_on(self, url: httpx.URL, records: list[Any]) -> bool:
        """Whether an address holds records, and none of those that are known."""
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            return False  # credentials and trust are for this place
        found = self._of(self._asker.get(url))
        self._seen = len(found or [])
        return bool(found) and not _keys(found or []) & _keys(records)

    def _verified(self, what: str, records: list[Any]) -> str:
        return f"{what}; page two was asked for and holds other records than page one"


@dataclass(frozen=True)
class _Size:
    params: dict[str, str]
    why: dict[str, str]
    cut: tuple[httpx.URL, list[Any]]


def _keys(records: list[Any]) -> set[str]:
    return {repr(record) for record in records}


def _is_address(value: str) -> bool:
    return value.startswith(("http://", "https://", "/", "?"))


def _is_cursor(names: tuple[str, ...], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        return False
    return bool(_CURSOR_NAMES.search(names[-1])) and not (isinstance(value, str) and _is_address(value))


def _params_of(name: str) -> Iterator[str]:
    """Parameters that may take a cursor of this name, the likeliest first."""
    plain = re.sub(r"^x[-_](ms[-_])?", "", name, flags=re.IGNORECASE).replace("-", "_")
    bare = re.sub(r"^(next|following)_?|_?(next)$", "", plain, flags=re.IGNORECASE)
    camel = bare[:1].lower() + bare[1:]
    likely = [param for param in _CURSORS if param.lower() in (bare.lower(), plain.lower())]
    yield from dict.fromkeys(n for n in (*likely, camel, bare.lower(), plain, plain.lower(), *_CURSORS) if n)
