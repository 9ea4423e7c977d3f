"""From a page's body to its records' exact bytes."""

from __future__ import annotations

import re

import msgspec

from ingot.errors import PayloadBroken

_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
# Possessive (`*+`): nothing is remembered to go back to, so that a string of 100 MiB needs no memory of its own. A
# quote that opens no whole string is a token too: else the search would begin again at each quote inside of it.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_PLACE = re.compile(r"\(byte ([0-9]+)\)$")  # of what is malformed, as msgspec says it
_MOST_GUESSES = 8  # at the end of the last record before it, which holds commas of its own
_MOST_VAIN = 16  # malformed records that follow each other; what has more is read by brackets to its end
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
        return _split_malformed(body.strip(b" \t\n\r"))


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


def _split_malformed(body: bytes) -> list[bytes]:
    """By the decoder up to what is malformed and from behind it on, and by brackets in between."""
    if body[:1] != b"[" or body[1:2] == b"\x00":
        raise PayloadBroken(
            f"The source sent {_what(body)} where an array of records was due.",
            hint="ask the source by hand; if it changed its shape, change source.yaml",
        )
    text = bytearray(body)
    records: list[bytes] = []
    start, vain = 1, 0
    while start <= len(body):
        found, end = _decoded(text, start)
        records += found
        start = end
        if start <= len(body):
            vain += not found
            start = _scan(body, start, records, once=vain < _MOST_VAIN)
    return records if records != [b""] else []


def _decoded(text: bytearray, start: int) -> tuple[list[bytes], int]:
    """The records from a place on that the decoder takes, and where the next begins: behind the text if none does.

    Only what it takes as an array from its first byte to its last is trusted; where that may end is guessed.

    Args:
        text: its commas are made brackets, and commas again.
        start: behind a bracket or comma between records.
    """
    view, end = memoryview(text), 0
    text[start - 1 : start] = b"["
    try:
        if found := list(map(bytes, _RECORDS.decode(view[start - 1 :]))):
            return found, len(text) + 1
    except (ValueError, RecursionError) as error:
        if place := _PLACE.search(str(error)):
            end = start - 1 + int(place[1])
    for _ in range(_MOST_GUESSES):
        end = text.rfind(b"},", start, end) + 1
        if not end:
            break
        text[end : end + 1] = b"]"
        try:
            return list(map(bytes, _RECORDS.decode(view[start - 1 : end + 1]))), end + 1
        except (ValueError, RecursionError):
            continue  # a comma inside of a record
        finally:
            text[end : end + 1] = b","
    return [], start


def _scan(body: bytes, start: int, records: list[bytes], *, once: bool) -> int:
    """Add the records from a place on, or just one, by what separates them; where the next begins, as above."""
    depth = 1
    for token in _TOKEN.finditer(body, start):
        symbol = token[0]
        if symbol in (b"[", b"{"):
            depth += 1
        elif symbol in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if symbol == b"}" or token.end() < len(body):
                    raise _broken("goes on after its array")
                records.append(body[start : token.start()].strip())
                return len(body) + 1
        elif symbol == b"," and depth == 1:
            records.append(body[start : token.start()].strip())
            start = token.end()
            if once:
                return start
        elif symbol == b'"':
            break  # a string without an end
    raise _broken("ends before its array does")


def _broken(how: str) -> PayloadBroken:
    return PayloadBroken(f"The source's answer {how}.", hint="nothing was published; the next attempt asks again")


def _what(body: bytes) -> str:
    if not body:
        return "an empty body"
    return next((name for start, name in _KINDS if body.startswith(start)), "something else")
