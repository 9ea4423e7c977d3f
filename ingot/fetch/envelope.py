"""Where records, cursors and totals sit in an answer: dotted paths such as ``data.items``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ingot.errors import PayloadBroken
from ingot.request import names_of

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]', re.DOTALL)
_ABSENT = msgspec.Raw()


class Records:
    """Where the records are: ``""`` if they are the answer itself.

    Args:
        path: to them.
        keyed: they are no array but an object.
    """

    def __init__(self, path: str, *, keyed: bool = False) -> None:
        self._path, self._names = path, names_of(path)
        self._opening, self._empty = (b"{", b"{}") if keyed else (b"[", b"[]")
        type_: Any = msgspec.Raw
        for name in reversed(self._names):
            type_ = msgspec.defstruct("Level", [("value", type_)], rename={"value": name})
        self._decoder = msgspec.json.Decoder(type_)

    def cut(self, body: bytes) -> tuple[bytes, bytes]:
        """The exact bytes of the array or object, and an answer in which all else can be read.

        As in :func:`ingot.gate.split.split`, something malformed inside a record costs that record only.

        Raises:
            PayloadBroken: there is nothing at that place.
        """
        if not self._names:
            return body, b"null"
        try:
            found = self._decoder.decode(body)
        except msgspec.ValidationError:
            raise self._nothing() from None
        except (ValueError, RecursionError):
            span = _span_of(self._names, body, self._opening)
            if span is None:
                raise self._nothing() from None
            start, end = span
            return body[start:end], body[:start] + self._empty + body[end:]
        for _ in self._names:
            found = found.value
        return bytes(found), body

    def _nothing(self) -> PayloadBroken:
        return PayloadBroken(
            f"The source's answer has no records at {self._path}.",
            hint="ask the source by hand; if it changed its shape, change records in source.yaml",
        )


class Field:
    """One value of an answer, which may be missing."""

    def __init__(self, path: str) -> None:
        self.path, self._names = path, names_of(path)
        *outer, last = self._names
        type_: Any = msgspec.defstruct("Leaf", [("value", msgspec.Raw, _ABSENT)], rename={"value": last})
        for name in reversed(outer):
            type_ = msgspec.defstruct("Level", [("value", type_ | None, None)], rename={"value": name})
        self._decoder = msgspec.json.Decoder(type_)

    def text(self, envelope: bytes) -> str:
        """A cursor or an address: a string, or a number as it is spelt. Empty if it is missing, null, false or 0.

        Raises:
            PayloadBroken: it is anything else.
        """
        raw = self._raw(envelope)
        value = msgspec.json.decode(raw) if raw else None
        if not value:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and value is not True:
            return raw.decode()
        raise PayloadBroken(f"The source's answer has no cursor and no address at {self.path}.", hint=_LOOK)

    def count(self, envelope: bytes) -> int:
        """A number of pages or records.

        Raises:
            PayloadBroken: it is missing, or no such number.
        """
        raw = self._raw(envelope)
        try:
            return msgspec.json.decode(raw, type=int, strict=False)
        except ValueError:
            raise PayloadBroken(f"The source's answer has no number at {self.path}.", hint=_LOOK) from None

    def raw(self, envelope: bytes) -> bytes:
        """Its bytes.

        Raises:
            PayloadBroken: it is missing.
        """
        raw = self._raw(envelope)
        if not raw:
            raise PayloadBroken(f"The source's answer has nothing at {self.path}.", hint=_LOOK)
        return raw

    def flag(self, envelope: bytes) -> bool:
        """Whether it says true."""
        return self._raw(envelope) == b"true"

    def _raw(self, envelope: bytes) -> bytes:
        try:
            found = self._decoder.decode(envelope)
        except (ValueError, RecursionError):
            raise PayloadBroken(f"The source's answer cannot be read at {self.path}.", hint=_LOOK) from None
        for _ in self._names:
            if found is None:
                return b""
            found = found.value
        return bytes(found)


_LOOK = "ask the source by hand; if it changed its shape, change pagination or with in source.yaml"


def _span_of(names: list[str], body: bytes, opening: bytes) -> tuple[int, int] | None:
    """From where to where an array or object stands in a text of which only the brackets can be trusted."""
    above: list[str | None] = []  # by open bracket, the name that it stands under
    name: str | None = None
    text, start = b"", -1
    for token in _TOKEN.finditer(body):
        symbol = token[0]
        if symbol in (b"{", b"["):
            above.append(name)
            if start < 0 and symbol == opening and above[1:] == names:
                start = token.start()
            name = None
        elif symbol in (b"}", b"]"):
            if start >= 0 and above[1:] == names:
                return start, token.end()
            if not above:
                return None
            above.pop()
        elif symbol == b",":
            name = None
        elif symbol == b":":
            name = _spelt(text)
        else:
            text = symbol
    return None


def _spelt(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=str)
    except ValueError:
        return None
