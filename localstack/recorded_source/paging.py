"""``/paged/{style}/…``: any list of the API in pages, as other APIs cut and wrap theirs.

========== =============================== ==============================================================
style      asked for by                    answer
========== =============================== ==============================================================
``page``   ``page`` (from 1), ``limit``    ``{"data":[…],"meta":{"page":2,"pages":5,"total":43}}``
``offset`` ``offset``, ``limit``           ``{"items":[…],"total":43}``
``cursor`` ``cursor``, ``limit``           ``{"data":{"items":[…]},"meta":{"next_cursor":"…","has_more":true}}``
``next``   ``limit``, then as it says      ``{"results":[…],"links":{"next":"http://…"}}``
``link``   ``limit``, then as it says      ``[…]`` and ``Link: <http://…>; rel="next", …``
========== =============================== ==============================================================

The last page's cursor and next URL are null; it has no link. Past the end a page is empty.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from .fakestore import BadArgument, number
from .messages import Listing, Reply, Request
from .recordings import compact

STYLES = ("page", "offset", "cursor", "next", "link")
DEFAULT_LIMIT = 10
MOST = 1000

_POSITION = {"page": "page", "offset": "offset", "cursor": "cursor", "next": "after", "link": "after"}


@dataclass(frozen=True, kw_only=True)
class Paging:
    """One page that is asked for.

    Attributes:
        style: One of ``STYLES``.
        outer: The request as it came: where links lead back to.
        inner: The list's own request, without the page's arguments.
        start: How many records come before the page.
        limit: How many it may hold: at most 1,000, whatever was asked for.
    """

    style: str
    outer: Request
    inner: Request
    start: int
    limit: int

    @classmethod
    def of(cls, outer: Request, request: Request) -> Self | None:
        """The page that a request asks for; None where it asks for none.

        Raises:
            BadArgument: for a page, an offset or a cursor that is none.
        """
        match request.path.split("/", 3):
            case ["", "paged", style, path] if style in STYLES:
                arguments = dict(request.arguments)
                limit = min(number(arguments.pop("limit", None)) or DEFAULT_LIMIT, MOST)
                start = _start(style, arguments.pop(_POSITION[style], None), limit)
                inner = replace(request, path=f"/{path}", query=urlencode(arguments))
                return cls(style=style, outer=outer, inner=inner, start=start, limit=limit)
        return None

    def of_list(self, listing: Listing) -> Reply:
        """The page's records, not wrapped."""
        return listing.part(self.start, self.start + self.limit)

    def wrapped(self, records: bytes, total: int) -> Reply:
        """The page as this style's APIs answer it."""
        end = self.start + self.limit
        following = end if end < total else None
        match self.style:
            case "page":
                meta = {"page": self.start // self.limit + 1, "pages": -(-total // self.limit), "total": total}
                return Reply.json_bytes(b'{"data":%b,"meta":%b}' % (records, compact(meta)))
            case "offset":
                return Reply.json_bytes(b'{"items":%b,"total":%d}' % (records, total))
            case "cursor":
                cursor = {"next_cursor": following and _cursor(following), "has_more": following is not None}
                return Reply.json_bytes(b'{"data":{"items":%b},"meta":%b}' % (records, compact(cursor)))
            case "next":
                links = {"next": following and self._url(following)}
                return Reply.json_bytes(b'{"results":%b,"links":%b}' % (records, compact(links)))
        places = {"first": 0, "next": following, "last": max(0, total - 1) // self.limit * self.limit}
        links = [f'<{self._url(place)}>; rel="{name}"' for name, place in places.items() if place is not None]
        return Reply.json_bytes(records).with_headers({"Link": ", ".join(links)})

    def _url(self, start: int) -> str:
        arguments = self.outer.arguments | {_POSITION[self.style]: str(start)}
        return f"http://{self.outer.headers.get('host', 'localhost')}{self.outer.path}?{urlencode(arguments)}"


def _start(style: str, position: str | None, limit: int) -> int:
    if position is None:
        return 0
    text = _cursor_text(position) if style == "cursor" else position
    if not text.isdecimal() or (style == "page" and int(text) < 1):
        raise BadArgument(f"{_POSITION[style]}={position!r} is no place in the list.")
    return (int(text) - 1) * limit if style == "page" else int(text)


def _cursor(start: int) -> str:
    return urlsafe_b64encode(f"at/{start}".encode()).decode()


def _cursor_text(cursor: str) -> str:
    try:
        return urlsafe_b64decode(cursor.encode()).decode().removeprefix("at/")
    except ValueError:
        return ""
