"""From a body to its records, whatever the source sends: records or a reason, in time that grows as the body does."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import pytest

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
