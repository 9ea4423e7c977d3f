"""One action at a time on an object, and a bundle on disk that is taken only if it is whole."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest

from ingot.cli.resolving import Results
from ingot.console.vega import _whole
from ingot.console.work import Work, Works


def ended(work: Work) -> None:
    while not work.over:
        threading.Event().wait(0.01)


def test_who_asks_for_what_is_under_way_is_told_that_nothing_was_begun() -> None:
    works, go_on = Works(), threading.Event()

    def do(_: object) -> Results:
        go_on.wait(10)
        return Results([], {})

    first, begun = works.start("replay", ["a", "b"], do)
    assert begun
    assert works.start("discard", ["b", "c"], do) == (first, False)
    other, begun = works.start("replay", ["c"], do)
    assert (begun, other is first) == (True, False)
    go_on.set()
    ended(first)
    again, begun = works.start("replay", ["a"], do)
    assert (begun, again is first) == (True, False)
    ended(again)


def test_what_goes_wrong_is_an_end_and_a_strangers_words_are_not_shown() -> None:
    def do(_: object) -> Results:
        raise ValueError("ada@example.org")

    work, _ = Works().start("replay", ["a"], do)
    ended(work)
    assert (work.state, work.error) == ("FAILED", "ValueError; the console's log says more")


PACKED = gzip.compress(bytes(range(256)) * 40)
DAMAGED = {
    "empty": b"",
    "of another kind": b"no gzip",
    "cut off": PACKED[:-20],
    "overwritten": PACKED[:12] + b"\xff" * 40 + PACKED[52:],
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_bundle_that_is_not_whole_is_made_again(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "vega.js.gz"
    file.write_bytes(PACKED)
    assert _whole(file) == PACKED
    file.write_bytes(DAMAGED[damage])
    assert not _whole(file)
