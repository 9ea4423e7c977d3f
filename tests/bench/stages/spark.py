"""Bronze → Parquet by either engine: one process with DuckDB, and Spark, where both are on the same machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench import batches
from tests.bench.stage import Case, Contender, Stage

ENVIRONMENT = ".venv-spark"
"""Of both: so each has the packages of Glue's image."""


def cases(size: int) -> list[Case]:
    return [Case("carts", "orders in parts of zstd", size, {"records": size})]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    yield {"BENCH_BATCH": str(batches.made(inputs, case.records)), "SPARK_LOCAL_IP": "127.0.0.1"}


STAGE = Stage(
    name="spark",
    title="Bronze → Parquet by Spark",
    about=(
        "The refine step whole, from a committed batch in files to its one Parquet object, by DuckDB and by Spark in "
        "local mode on all cores. A rate is of the step, with the start of Spark's session; the wall clock has the "
        "process's imports and its end too. Spark brings work to other machines, of which there are none here: this "
        "says what a core does by either engine, from which [the guide](how-to/choose-an-engine.md) reckons when "
        "it pays."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("duckdb", "DuckDB, one process", "engine.py", ("duckdb",), ENVIRONMENT),
        Contender("spark", "Spark 4.1.1, local mode", "engine.py", ("spark",), ENVIRONMENT, slow=2),
    ),
    tiny=False,
)
