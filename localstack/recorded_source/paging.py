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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self
from urllib.parse import urlencode

from .fakestore import BadArgument, number
from .messages import Listing, Reply, Request
from .recordings import compact

DEFAULT_LIMIT = 10
MOST = 1000

type Style = Literal["page", "offset", "cursor", "next", "link"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How an API cuts a list into pages and wraps them.

    Attributes:
        style: what leads to the next page: a number, an offset, an opaque cursor, or the URL in the body or a header.
        position: the parameter that says where a page begins.
        limit: the parameter that says how many records a page holds.
        default: how many it holds unless told.
        most: how many at most, whatever is told.
        first: the first page's number.
        answer: the body, as JSON in which ``"{records}"`` and so on stand for what a page knows.
        headers: of the answer, with the same; one whose value is null is left out.
    """

    style: Style
    position: str = "after"
    limit: str = "limit"
    default: int = DEFAULT_LIMIT
    most: int = MOST
    first: int = 1
    answer: Any = "{records}"
    headers: Mapping[str, str] = field(default_factory=dict)


FORMS = {
    form.style: form
    for form in (
        Form(
            style="page",
            position="page",
            answer={"data": "{records}", "meta": {"page": "{page}", "pages": "{pages}", "total": "{total}"}},
        ),
        Form(style="offset", position="offset", answer={"items": "{records}", "total": "{total}"}),
        Form(
            style="cursor",
            position="cursor",
            answer={"data": {"items": "{records}"}, "meta": {"next_cursor": "{next}", "has_more": "{more}"}},
        ),
        Form(style="next", answer={"results": "{records}", "links": {"next": "{next}"}}),
        Form(style="link", headers={"Link": "{links}"}),
    )
}


@dataclass(frozen=True, kw_only=True)
class Paging:
    """One page that is asked for.

    Attributes:
        form: How it is cut and wrapped.
        outer: The request as it came: where links lead back to.
        inner: The list's own request, without the page's arguments.
        start: How many records come before the page.
        limit: How many it may hold: at most the form's most, whatever was asked for.
    """

    form: Form
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
            case ["", "paged", style, path] if style in FORMS:
                return cls.by(FORMS[style], outer, replace(request, path=f"/{path}"))
        return None

    @classmethod
    def by(cls, form: Form, outer: Request, request: Request) -> Self:
        """The page of a form that a request asks for.

        Raises:
            BadArgument: for a page, an offset or a cursor that is none.
        """
        arguments = dict(request.arguments)
        limit = min(number(arguments.pop(form.limit, None)) or form.default, form.most)
        start = _start(form, arguments.pop(form.position, None), limit)
        inner = replace(request, query=urlencode(arguments))
        return cls(form=form, outer=outer, inner=inner, start=start, limit=limit)

    def of_list(self, listing: Listing) -> Reply:
        """The page's records, not wrapped."""
        return listing.part(self.start, self.start + self.limit)

    def wrapped(self, records: bytes, total: int) -> Reply:
        """The page as this form's APIs answer it."""
        end = self.start + self.limit
        following = end if end < total else None
        places = {"first": 0, "next": following, "last": max(0, total - 1) // self.limit * self.limit}
        links = [f'<{self._url(place)}>; rel="{name}"' for name, place in places.items() if place is not None]
        known = {
            "records": records,
            "total": total,
            "size": max(0, min(end, total) - self.start),
            "offset": self.start,
            "limit": self.limit,
            "page": self.start // self.limit + self.form.first,
            "pages": -(-total // self.limit),
            "more": following is not None,
            "next": None if following is None else self._next(following),
            "links": ", ".join(links),
        }
        return filled(self.form.answer, self.form.headers, known)

    def _next(self, start: int) -> object:
        """What leads to the page that begins there."""
        match self.form.style:
            case "page":
                return start // self.limit + self.form.first
            case "offset":
                return start
            case "cursor":
                return _cursor(start)
        return self._url(start)

    def _url(self, start: int) -> str:
        arguments = self.outer.arguments | {self.form.position: str(start)}
        return f"http://{self.outer.headers.get('host', 'localhost')}{self.outer.path}?{urlencode(arguments)}"


def filled(answer: Any, headers: Mapping[str, str], known: Mapping[str, object]) -> Reply:
    """A reply from its forms: a text ``"{name}"`` becomes what is known by that name, bytes as they are."""
    said = {name: known.get(value[1:-1], value) if _is_named(value) else value for name, value in headers.items()}
    reply = Reply.json_bytes(_filled(answer, known))
    return reply.with_headers({name: str(value) for name, value in said.items() if value is not None})


def _filled(form: Any, known: Mapping[str, object]) -> bytes:
    if isinstance(form, str) and _is_named(form) and form[1:-1] in known:
        value = known[form[1:-1]]
        return value if isinstance(value, bytes) else compact(value)
    if isinstance(form, dict):
        return b"{" + b",".join(compact(key) + b":" + _filled(value, known) for key, value in form.items()) + b"}"
    if isinstance(form, list):
        return b"[" + b",".join(_filled(value, known) for value in form) + b"]"
    return compact(form)


def _is_named(text: str) -> bool:
    return text.startswith("{") and text.endswith("}")


def _start(form: Form, position: str | None, limit: int) -> int:
    if position is None:
        return 0
    text = _cursor_text(position) if form.style == "cursor" else position
    if not text.isdecimal() or (form.style == "page" and int(text) < form.first):
        raise BadArgument(f"{form.position}={position!r} is no place in the list.")
    return (int(text) - form.first) * limit if form.style == "page" else int(text)


def _cursor(start: int) -> str:
    return urlsafe_b64encode(f"at/{start}".encode()).decode()


def _cursor_text(cursor: str) -> str:
    try:
        return urlsafe_b64decode(cursor.encode()).decode().removeprefix("at/")
    except ValueError:
        return ""
