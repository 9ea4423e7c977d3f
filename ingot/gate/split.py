"""From a page's body to its records' exact bytes."""

from __future__ import annotations

import re

import msgspec

from ingot.errors import PayloadBroken

_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
# Possessive (`*+`): nothing is remembered to go back to, so that a string of 100 MiB needs no memory of its own. A
# quote that opens no whole string is a token too: else the search would begin again at each quote inside of it.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_KINDS = (  # how something that is no array begins, and what it is called
    (b"\xef\xbb\xbf", "text with a byte order mark"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"[\x00", "UTF-16"),
    (b"\x00[", "UTF-16"),
    (b"\x1f\x8b", "gzip"),
    (b"{", "an object"),
    (b"<", "a page of HTML or XML"),
    (b"null", "null"),
    (b'"', "a string"),
)


def split(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each as the bytes that the source sent.

    An array whose brackets match but that holds something malformed is taken apart at its commas, so that one
    bad record does not cost the others; the gate then refuses just that one.

    Raises:
        PayloadBroken: the body is no array, ends before its end or goes on after it.
    """
    try:
        return list(map(bytes, _RECORDS.decode(body)))
    except (ValueError, RecursionError):
        return _split_by_brackets(body.strip(b" \t\n\r"))


def members(body: bytes) -> list[tuple[str, bytes]]:
    """The members of a JSON object in their order, each value as the bytes that the source sent.

    A name that stands twice is there twice; as in :func:`split`, something malformed costs its own member only. An
    empty array is an empty object: some languages know no other.

    Raises:
        PayloadBroken: the body is no object, ends before its end or goes on after it.
    """
    body = body.strip(b" \t\n\r")
    if re.fullmatch(rb"\[[ \t\r\n]*\]", body):
        return []
    if body[:1] != b"{":
        raise PayloadBroken(
            f"The source sent {_what(body)} where an object of records was due.",
            hint="ask the source by hand; if it changed its shape, change source.yaml",
        )
    found: list[tuple[str, bytes]] = []
    depth, start, name = 0, 1, b""
    for token in _TOKEN.finditer(body):
        symbol = token[0]
        if symbol in (b"[", b"{"):
            depth += 1
        elif symbol in (b"]", b"}"):
            depth -= 1
            if depth == 0 and (symbol == b"]" or token.end() < len(body)):
                raise _broken("goes on after its object")
        elif symbol == b'"':
            break  # a string without an end
        elif depth == 1 and not name and symbol != b",":
            # What stands before a name belongs to nothing: it stays, so that the member is malformed.
            name, start = symbol, start if body[start : token.start()].strip() else token.end()
        if (depth == 0 or (depth == 1 and symbol == b",")) and (name or body[start : token.start()].strip()):
            found.append(_member(name, body[start : token.start()]))
            name, start = b"", token.end()
        if depth == 0:
            return found
    raise _broken("ends before its object does")


def _member(name: bytes, rest: bytes) -> tuple[str, bytes]:
    colon, value = rest.lstrip()[:1], rest.lstrip()[1:].strip()
    try:
        decoded = msgspec.json.decode(name, type=str)
    except ValueError:
        raise _broken("has a name that cannot be read") from None
    # Without its colon, or without anything behind it, it is no value: the gate refuses what stands there.
    return decoded, value if colon == b":" and value else b":" + rest


def _split_by_brackets(body: bytes) -> list[bytes]:
    if body[:1] != b"[" or body[1:2] == b"\x00":
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
                if symbol == b"}" or token.end() < len(body):
                    raise _broken("goes on after its array")
                records.append(body[start : token.start()].strip())
                return records if records != [b""] else []
        elif symbol == b"," and depth == 1:
            records.append(body[start : token.start()].strip())
            start = token.end()
        elif symbol == b'"':
            break  # a string without an end
    raise _broken("ends before its array does")


def _broken(how: str) -> PayloadBroken:
    return PayloadBroken(f"The source's answer {how}.", hint="nothing was published; the next attempt asks again")


def _what(body: bytes) -> str:
    if not body:
        return "an empty body"
    return next((name for start, name in _KINDS if body.startswith(start)), "something else")
