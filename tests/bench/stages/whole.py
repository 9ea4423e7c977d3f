"""The whole way: an API in pages of 1,000 → a Postgres in which each order stands once, with its lines."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench import shop
from tests.bench.services import standing
from tests.bench.stage import ROOT, Case, Contender, Goal, Stage

_LINES = "from tests.bench.shop import lines; import sys; print(lines('carts', int(sys.argv[1])))"


def cases(size: int) -> list[Case]:
    counted = subprocess.run([sys.executable, "-c", _LINES, str(size)], capture_output=True, text=True, check=True)
    return [Case("whole", "from the API to merged tables", size, {"orders": size, "lines": int(counted.stdout)})]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    with standing("postgres", "cloud", "source") as variables:
        store = f"{variables['BENCH_SOURCE']}/synthetic/{shop.SEED}/{case.records}"
        # Every page is rendered once before: whose turn is first would wait for it.
        for page in range(1, -(-case.records // shop.PAGE) + 1):
            with urllib.request.urlopen(f"{store}/carts?page={page}&limit={shop.PAGE}") as answer:
                answer.read()
        yield {**variables, "BENCH_STORE": store}


def _empty(environment: Mapping[str, str]) -> None:
    subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "tests.bench.emptied"], env=dict(environment), check=True
    )


STAGE = Stage(
    name="whole",
    title="The whole, API → merged Postgres",
    about=(
        "All orders are taken from the recorded source over HTTP, in pages of 1,000, and end as one row an order and "
        "one row a line in a Postgres on the same machine. Ours runs the real steps one after the other in one process "
        "(extract, refine, load), with the laptop's S3 between them, and then dbt, with its start-up, which merges the "
        "orders and their lines into silver; all that the steps check and keep (gate, Bronze, manifest, lineage) is in "
        "it. dlt normalises each page of JSON into a table of orders and one of lines, with two workers, files of "
        "100,000 rows and COPY from CSV; `append` writes what comes, `merge` replaces orders by their id. All begin "
        "with an empty warehouse, and orders and lines are counted at the end."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("ingot", "Ingot: extract, refine, load, dbt", "whole_ingot.py", before=_empty),
        Contender(
            "dlt append",
            "dlt, append",
            "whole_dlt.py",
            environment=".venv-bench-dlt",
            before=_empty,
            slow=2,
            arguments=("append",),
        ),
        Contender(
            "dlt merge",
            "dlt, merge",
            "whole_dlt.py",
            environment=".venv-bench-dlt",
            before=_empty,
            slow=2,
            arguments=("merge",),
        ),
    ),
    goals=(
        Goal("35,000 orders/s", "whole", at_least=35_000),
        Goal("5.5 times dlt append", "whole", at_least=5.5, against="dlt append"),
        Goal("11 times dlt merge", "whole", at_least=11, against="dlt merge"),
    ),
)
