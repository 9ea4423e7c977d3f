"""What the server's parts hand each other: a request as it came, a reply as it will go, a list in parts."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from .recordings import compact

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: In capitals.
        path: Decoded, without the query and without a trailing slash (Express routes both alike).
        query: As sent, undecoded.
        headers: Names in lower case.
        body: Empty where there was none.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Self:
        """From a request line's target, for example ``/products/category/men's%20clothing?limit=2``."""
        parts = urlsplit(target if not target.startswith("//") else "/" + target.lstrip("/"))
        lower = {name.lower(): value for name, value in headers.items()}
        return cls(method, unquote(parts.path).rstrip("/") or "/", parts.query, lower, body)

    @cached_property
    def arguments(self) -> dict[str, str]:
        """The query's arguments. One given twice is left out.

        Express reads it as a list, which no endpoint takes.
        """
        return {
            name: values[0] for name, values in parse_qs(self.query, keep_blank_values=True).items() if len(values) == 1
        }


@dataclass(frozen=True)
class Reply:
    """One reply: a status, a whole body and the headers beside Content-Length and Date."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200) -> Self:
        return cls.json_bytes(compact(value), status)

    @classmethod
    def json_bytes(cls, body: bytes, status: int = 200) -> Self:
        return cls(status, body, {"Content-Type": JSON})

    @classmethod
    def html(cls, status: int, text: str) -> Self:
        return cls(status, f"<!DOCTYPE html>\n<pre>{text}</pre>\n".encode(), {"Content-Type": HTML})

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same reply with these headers put in, whatever the case in which they are spelt."""
        taken = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in taken}
        return replace(self, headers={**kept, **headers})

    @cached_property
    def etag(self) -> str:
        """The weak entity tag that Express gives a body: its length in hex and 27 characters of its SHA-1."""
        digest = hashlib.sha1(self.body, usedforsecurity=False).digest()
        return f'W/"{len(self.body):x}-{b64encode(digest).decode()[:27]}"'

    def conditional(self, request: Request) -> Reply:
        """This reply with its entity tag, or 304 with no body for a client that has it already."""
        if self.status != HTTPStatus.OK:
            return self
        if request.headers.get("if-none-match") == self.etag:
            return Reply(HTTPStatus.NOT_MODIFIED, b"", {"ETag": self.etag})
        return self.with_headers({"ETag": self.etag})


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list that can be had in parts: its length, and the JSON array of its records from one up to another."""

    size: int
    part: Callable[[int, int], Reply]
