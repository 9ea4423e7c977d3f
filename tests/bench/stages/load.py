"""Parquet → Postgres: a refined batch of nested orders into staging, and to where readers see it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench import batches
from tests.bench.services import standing
from tests.bench.stage import ROOT, Case, Contender, Goal, Stage

_LINES = "from tests.bench.shop import lines; import sys; print(lines('carts', int(sys.argv[1])))"
_PYTHON = str(ROOT / ".venv" / "bin" / "python")


def cases(size: int) -> list[Case]:
    counted = subprocess.run([sys.executable, "-c", _LINES, str(size)], capture_output=True, text=True, check=True)
    return [Case("load", "a batch into an empty warehouse", size, {"records": size, "lines": int(counted.stdout)})]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    place = batches.made(inputs, case.records)
    with standing("postgres") as variables:
        given = {**variables, "BENCH_BATCH": str(place), "BENCH_FLAT": str(place / "flat.parquet")}
        _run(given, "prepare")
        yield given


def _run(environment: Mapping[str, str], *words: str) -> None:
    subprocess.run([_PYTHON, "-m", "tests.bench.loadable", *words], env={**os.environ, **environment}, check=True)


STAGE = Stage(
    name="load",
    title="Parquet → Postgres",
    about=(
        "One batch of orders, each with its lines as `jsonb`, goes from the Parquet that refine wrote into an unlogged "
        "table. Ours is the real load step, whose copy into staging has a clock of its own; `published` is the whole "
        "step, with the logged table, its three indexes and the audit in one transaction. The server's own COPY reads "
        "the same rows in Postgres's binary format from its own disk into the same unlogged table: it has nothing to "
        "decode, and is the limit. dlt and awswrangler are given the lines as JSON text, which they leave text. Rows "
        "and lines are counted in the database."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("ingot", "Ingot: the load step, into staging", "load_ingot.py", before=_run),
        Contender(
            "published",
            "Ingot: the load step, whole",
            script="load_ingot.py",
            arguments=("published",),
            before=_run,
        ),
        Contender("server", "Postgres's own binary COPY", "load_server.py", before=_run),
        Contender("dlt", "dlt, Arrow by CSV", "load_dlt.py", environment=".venv-bench-dlt", before=_run, slow=2),
        Contender(
            "awswrangler",
            "awswrangler, to_sql",
            "load_awswrangler.py",
            environment=".venv-bench-awswrangler",
            before=_run,
            slow=2,
        ),
    ),
    goals=(
        Goal("85 % of the server's own binary COPY", "load", at_least=0.85, against="server"),
        Goal("10 times dlt (Arrow)", "load", at_least=10, against="dlt"),
        Goal("40 times awswrangler", "load", at_least=40, against="awswrangler"),
        Goal("256 MB at most", "load", "peak", at_most=256),
    ),
)
