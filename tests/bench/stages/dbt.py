"""dbt: an increment of one percent beside a full refresh, and how long dbt takes to begin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.services import standing
from tests.bench.stage import OURS, ROOT, Case, Contender, Goal, Stage

PYTHON = str(ROOT / ".venv" / "bin" / "python")


def cases(size: int) -> list[Case]:
    whole = {"missing": 0}
    return [
        Case("full refresh", "everything anew from Bronze", size, whole, {"what": "full"}),
        Case("increment", "one percent more", size // 100, whole, {"what": "increment", "stored": str(size)}),
        Case("start", "start-up, with the parsed project that is shipped", 1, {}, {"what": "start"}),
    ]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    with standing("postgres") as variables:
        stored = case.options.get("stored", str(case.records))
        given = {"BENCH_SHOP": case.options.get("shop", stored)}
        if case.options["what"] != "start":
            _store({**variables, **given}, "1", stored, "1")
        if case.options["what"] == "increment":
            _build({**variables, "BENCH_WHAT": "full"})
        yield {**variables, **given}


def _store(variables: Mapping[str, str], first: str, last: str, load: str) -> None:
    line = [PYTHON, "-m", "tests.bench.filled", first, last, load, variables["BENCH_SHOP"]]
    subprocess.run(line, env={**os.environ, **variables}, check=True)


def _build(variables: Mapping[str, str]) -> None:
    line = [PYTHON, str(ROOT / "tests/bench/contenders/dbt_ingot.py")]
    subprocess.run(line, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)


def _news(environment: Mapping[str, str]) -> None:
    """Another one percent before each increment."""
    if environment["BENCH_WHAT"] == "increment":
        _store(environment, "1", environment["BENCH_RECORDS"], "0")


STAGE = Stage(
    name="dbt",
    title="dbt",
    about=(
        "`dbt build` without unit tests, as a scheduled run does it: all models of staging, silver and gold, and all "
        "tests, with dbt's start-up and the parsed project that is shipped with a deployment. Bronze holds orders, "
        "products, users, rates and costs. An increment brings one percent more orders, of later days. Start-up is "
        "all that dbt does before it asks the warehouse."
    ),
    cases=cases,
    opened=opened,
    contenders=(Contender("ingot", "dbt build", "dbt_ingot.py", before=_news),),
    goals=(
        Goal(
            "an increment of 1 % takes 0.35 of a full refresh",
            "increment",
            "work",
            at_most=0.35,
            against=OURS,
            against_case="full refresh",
        ),
        Goal("start-up and parse under 3 s", "start", "work", at_most=3.0),
    ),
    tiny=False,
)
