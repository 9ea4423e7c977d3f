"""Merge into silver: an increment of which half are updates, and the same increment once more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.mergeable import expected
from tests.bench.services import standing
from tests.bench.stage import ROOT, Case, Contender, Goal, Stage

_PYTHON = str(ROOT / ".venv" / "bin" / "python")


def cases(size: int) -> list[Case]:
    rows = size * 8 // 10
    return [
        Case("half updates", "half of the rows are updates, half are new", rows, expected(rows), {"again": "0"}),
        Case("no change", "the same rows once more", rows, expected(rows), {"again": "1"}),
    ]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    with standing("postgres") as variables:
        subprocess.run([_PYTHON, "-m", "tests.bench.loadable", "rights"], env={**os.environ, **variables}, check=True)
        yield variables


def _fresh(environment: Mapping[str, str]) -> None:
    line = [_PYTHON, "-m", "tests.bench.mergeable", environment["BENCH_RECORDS"], environment["BENCH_AGAIN"]]
    subprocess.run(line, env=dict(environment), check=True)


STAGE = Stage(
    name="merge",
    title="Merge into silver",
    about=(
        "An increment goes into a table with the columns and the indexes of silver's orders. Ours is the SQL of dbt's "
        "strategy `replace`, as the macro renders it, in one transaction; the others are one statement each. The rows "
        "that the table holds afterwards, and two sums of them, are compared. The work is the server's: most of it is "
        "keeping the indexes and the write-ahead log. Where the same rows come once more, ours asks what is newer than "
        "the newest load that the table has seen, as every model does, finds nothing, and replaces nothing; the others "
        "know nothing of loads, and write every row again."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("ingot", "Ingot: replace", "merge_ways.py", ("replace",), before=_fresh),
        Contender("on conflict", "INSERT … ON CONFLICT", "merge_ways.py", ("on conflict",), before=_fresh),
        Contender("merge", "MERGE", "merge_ways.py", ("merge",), before=_fresh),
    ),
    goals=(
        Goal("1.25 times ON CONFLICT", "half updates", at_least=1.25, against="on conflict"),
        Goal("2.5 times ON CONFLICT, nothing changed", "no change", at_least=2.5, against="on conflict"),
    ),
)
