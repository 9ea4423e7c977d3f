"""From a page's body to its records' exact bytes."""

from __future__ import annotations

import re

import msgspec

from ingot.errors import PayloadBroken

_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_OPEN, _CLOSE = b"[{", b"]}"


def split(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each as the bytes that the source sent.

    An array whose brackets match but that holds something malformed is taken apart at its commas, so that one
    bad record does not cost the others; the gate then refuses just that one.

    Raises:
        PayloadBroken: the body is no array, or ends before its end.
    """
    try:
        return [bytes(record) for record in _RECORDS.decode(body)]
    except (ValueError, RecursionError):
        return _split_by_brackets(body.strip())


def _split_by_brackets(body: bytes) -> list[bytes]:
    if body[:1] != b"[":
        raise PayloadBroken(
            f"The source sent {_what(body)} where an array of records was due.",
            hint="ask the source by hand; if it changed its shape, change source.yaml",
        )
    records, depth, start = [], 0, 1
    for token in _TOKEN.finditer(body):
        symbol = token[0]
        if symbol in (b"[", b"{"):
            depth += 1
        elif symbol in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if body[token.end() :].strip():
                    break
                records.append(body[start : token.start()].strip())
                return records if records != [b""] else []
        elif symbol == b"," and depth == 1:
            records.append(body[start : token.start()].strip())
            start = token.end()
    raise PayloadBroken(
        "The source's answer ends before its array does.",
        hint="nothing was published; the next attempt asks again",
    )


def _what(body: bytes) -> str:
    if not body:
        return "an empty body"
    return {b"{": "an object", b"<": "a page of HTML or XML", b"n": "null"}.get(body[:1], "something else")
