"""The fault suite: histories in which everything goes wrong, and planted bugs that it has to find.

`make faults HISTORIES=1000` tells as many as are asked for; `make faults SEED=7` tells one, with every step.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.faults import EVERYTHING
from tests.faults.planted import PLANTS
from tests.faults.suite import Workers, line, tally

HISTORIES = 50
assert len(EVERYTHING) <= HISTORIES  # each of them has one for certain
SOON = 100
"""Within so many histories a planted bug has to be found."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_lost_or_there_twice_or_half_published_and_what_failed_says_so(workers: Workers) -> None:
    reports = []
    for report in workers.tell(range(1, HISTORIES + 1), brief=True):
        print(line(report))
        again = f"make faults SEED={report.seed} BRIEF=1"
        assert not report.difference, "\n".join([*report.steps, report.difference, again])
        reports.append(report)
    struck = {name.removesuffix("-burst") for name in tally(reports)}
    everything = {f"{channel}: {kind}" for channel, kind in EVERYTHING}
    assert everything <= struck, f"never struck: {sorted(everything - struck)}"
    assert any(report.failed for report in reports), "no batch ever failed: these were no hard times"
    assert any(report.lost for report in reports), "no batch failed for good: what is not to be published was not tried"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_bug_is_found(workers: Workers, plant: str) -> None:
    for report in workers.tell(range(1, SOON + 1), plant):
        if report.difference:
            print(line(report), report.difference)
            return
    pytest.fail(f"{SOON} histories with the bug {plant!r} went by, and nobody noticed")
