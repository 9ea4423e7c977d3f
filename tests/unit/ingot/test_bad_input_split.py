"""From a body to its records, whatever the source sends: records or a reason, in time that grows as the body does."""

from __future__ import annotations

import random
import time
import tracemalloc
from contextlib import suppress

import pytest

import ingot.gate.split
from ingot.errors import PayloadBroken
from ingot.gate.split import split


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty body"),
        (b" \n\t ", "an empty body"),
        (b"null", "null"),
        (b"{}", "an object"),
        (b'"x"', "a string"),
        (b"12", "something else"),
        (b"<html><body>502</body></html>", "HTML"),
        (b"\xef\xbb\xbf[1]", "byte order mark"),
        ("[1]".encode("utf-16"), "UTF-16"),
        ("[1]".encode("utf-16-le"), "UTF-16"),
        ("[1]".encode("utf-16-be"), "UTF-16"),
        (b"\x0b[1]", "something else"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"[1", "before its array does"),
        (b'[{"a":"', "before its array does"),
        (b'["a\\', "before its array does"),
        (b"[1][2]", "after its array"),
        (b"[1]\n[2]", "after its array"),
        (b"[1] and more", "after its array"),
        (b"[1]]", "after its array"),
        (b"[1,{]},2]", "after its array"),
        (b"[1,{]}", "after its array"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_no_array_is_refused_with_what_it_is_instead(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadBroken, match=reason):
        split(body)


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b"[]", []),
        (b" [ ] ", []),
        (b"[1,]", [b"1", b""]),
        (b"[,]", [b"", b""]),
        (b'[{"a":1,},{"a":2}]', [b'{"a":1,}', b'{"a":2}']),
        (b'[{"a":"\\ud800"},2]', [b'{"a":"\\ud800"}', b"2"]),
        (b'[{"a":"\xff,"},"]",3]', [b'{"a":"\xff,"}', b'"]"', b"3"]),
        (b"[NaN,{)},Infinity]", [b"NaN", b"{)}", b"Infinity"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_one_malformed_record_does_not_cost_the_others(body: bytes, records: list[bytes]) -> None:
    assert split(body) == records


RECORDS = (
    b'{"id":1,"at":"2022-01-01T00:00:00Z","lines":[{"id":7,"n":2},{"id":8,"n":1}],"v":0}',
    b'{ "id" : 2 , "text" : "a \\"},{\\" b" , "lines" : [ ] }',
    b"{}",
    b"[1,[2,{}],3]",
    b'"},{"',
    b"17",
)
BETWEEN = (b",", b",", b", ", b" ,", b"\n,\n")


def _damaged(chance: random.Random) -> bytes:
    """An array of records in which single bytes are gone, doubled, others, or where a whole piece is cut out."""
    page = b"".join(chance.choice(RECORDS) + chance.choice(BETWEEN) for _ in range(chance.randrange(1, 30)))
    body = bytearray(b"[" + page.rstrip(b" ,\n") + b"]")
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(1, len(body))
        match chance.randrange(4):
            case 0:
                del body[place]
            case 1:
                body[place:place] = body[place - 1 : place]
            case 2:
                body[place] = chance.choice(b'{}[],:"\\ 0x')
            case 3:
                del body[place : place + chance.randrange(40)]
        if len(body) < 2:
            break
    return bytes(body)


def _told(body: bytes) -> list[bytes] | str:
    try:
        return split(body)
    except PayloadBroken as error:
        return str(error)


def test_what_is_malformed_is_taken_apart_as_by_its_brackets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    bodies = [_damaged(chance) for _ in range(5_000)]
    found = [_told(body) for body in bodies]
    monkeypatch.setattr(ingot.gate.split, "_decoded", lambda text, start: ([], start))
    monkeypatch.setattr(ingot.gate.split, "_MOST_VAIN", 0)
    assert sum(isinstance(each, list) for each in found) > 2_000
    for body, each in zip(bodies, found, strict=True):
        assert each == _told(body), body


def test_a_malformed_record_costs_about_what_a_right_one_does() -> None:
    record = b'{"id":1,"at":"2022-01-01T00:00:00Z","lines":[{"id":7,"n":2},{"id":8,"n":1}],"v":0}'
    page = [record] * 2_000
    right = _seconds(b"[" + b",".join(page) + b"]")
    page[1_000] = record.replace(b'"2022-01-01T00:00:00Z"', b"")
    body = b"[" + b",".join(page) + b"]"
    assert split(body) == page
    assert _seconds(body) < 8 * right  # by brackets alone it takes about thirty times as long


HOSTILE = {
    "open brackets": lambda n: b"[" * n,
    "pairs of brackets": lambda n: b"[" * (n // 2) + b"]" * (n // 2),
    "objects in objects": lambda n: b"[" + b'{"a":' * (n // 5),
    "escaped quotes without an end": lambda n: b'["' + b'\\"' * (n // 2),
    "quotes": lambda n: b"[" + b'"' * (n | 1),
    "backslashes": lambda n: b'["' + b"\\" * n,
    "an endless string": lambda n: b'["' + b"a" * n,
    "commas": lambda n: b"[" + b"," * n + b"}",
    "spaces": lambda n: b"[" + b" " * n + b"x",
    "malformed records": lambda n: b"[" + b'{"a":},' * (n // 7) + b"1]",
    "every second record malformed": lambda n: b"[" + b'{"a":1},{"a":},' * (n // 15) + b"1]",
    "a malformed record of many objects": lambda n: b"[" + b"{}," * (n // 9) + b"[" + b"{}," * (n // 9) + b"],{}]",
    "closed, then more": lambda n: b"[1]" + b" " * n + b"x",
}


def _seconds(body: bytes) -> float:
    best = 9e9
    for _ in range(3):
        started = time.process_time()
        with suppress(PayloadBroken):
            split(body)
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_as_the_body_does(kind: str) -> None:
    small, large = _seconds(HOSTILE[kind](20_000)), _seconds(HOSTILE[kind](320_000))
    # Sixteen times the bytes; what is quadratic takes 256 times as long.
    assert large < 64 * small + 0.05


def test_memory_is_a_small_multiple_of_a_body_with_one_long_string() -> None:
    body = b'["' + b"a" * 2**23 + b'",\xff]'
    tracemalloc.start()
    try:
        records = split(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(records) == 2
    assert peak < 4 * len(body)
