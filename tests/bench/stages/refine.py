"""Bronze → Parquet: a committed batch of nested orders into one typed Parquet object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench import batches
from tests.bench.measure import WrongAnswer
from tests.bench.processes import serving
from tests.bench.stage import ROOT, Case, Contender, Goal, Stage
from tests.bench.stages.extract import ACCESS

FORMS = ("plain", "gzip", "zstd")
SMALL, LARGE = 100_000, 5_000_000  # below and from here only as Bronze has it: other forms say nothing new
PANDAS = ".venv-bench-awswrangler"
READ_BY_PANDAS = ("plain", "gzip")  # for zstd it takes one more package


def cases(size: int) -> list[Case]:
    forms = FORMS if SMALL <= size < LARGE else ("zstd",)
    titles = {"zstd": "parts of zstd, as in Bronze"}
    found = {"records": size}
    return [Case(form, titles.get(form, f"the same parts, {form}"), size, found, {"form": form}) for form in forms]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    form = case.options["form"]
    place = batches.made(inputs, case.records)
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.bench.refinable", "made", str(place), form],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    with ExitStack() as stack:
        given = {
            "BENCH_BATCH": str(place),
            "BENCH_FILES": prepared.stdout.strip(),
            "BENCH_TARGET": stack.enter_context(tempfile.TemporaryDirectory(prefix="ingot-bench-")),
        }
        if form in READ_BY_PANDAS and (ROOT / PANDAS / ".made").exists():
            given |= {**ACCESS, "AWS_ENDPOINT_URL": stack.enter_context(serving("localcloud", environment=ACCESS))}
        yield given


def verified(environment: Mapping[str, str], answer: Mapping[str, Any]) -> None:
    """Hold the Parquet that a run wrote to the lines of the batch; then remove it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.refinable", "check", environment["BENCH_BATCH"]],
        input=json.dumps(answer),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise WrongAnswer(f"what was written is not what the batch has: {done.stderr[-1000:]}")


def _goals() -> Iterator[Goal]:
    for size in (1_000_000, LARGE):
        for case in cases(size):
            form = case.name
            yield Goal("within 10 % of DuckDB's bare COPY", form, at_least=1 / 1.1, against="copy", size=size)
            yield Goal("1.6 times pyarrow", form, at_least=1.6, against="pyarrow", size=size)
            if size < LARGE and form in READ_BY_PANDAS:
                yield Goal("15 times awswrangler", form, at_least=15, against="awswrangler", size=size)
        yield Goal("400 MB whatever the input's size", "zstd", "peak", at_most=400, size=size)


STAGE = Stage(
    name="refine",
    title="Bronze → Parquet",
    about=(
        "A committed batch of orders, each with its lines, becomes Parquet (zstd). Ours is the whole refine step: it "
        "holds each part to its hash, and writes beside the contract's columns the batch, the place, the moment and "
        "the SHA-256 of each record. It reads zstd in every case, as that is all that Bronze has; the others read the "
        "same parts as they are, as gzip (level 6) or as plain lines. The bare COPY writes the contract's columns "
        "alone, and is the limit; the one with lineage writes all that ours does, reading each file a second time as "
        "the text that is hashed. pyarrow reads part after part with the contract's types, and keeps the source's "
        "names. awswrangler has a data frame of each part, which pandas reads, and writes it to the laptop's S3 (moto, "
        "in a process of its own, neither counted); it reads no zstd without one more package. What each wrote is read "
        "again: sums of ids, users, moments, lines and quantities, hash and place of each record, and the types."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender(
            "ingot",
            "Ingot's refine step",
            script="engine.py",
            arguments=("duckdb",),
            after=verified,
        ),
        Contender("copy", "DuckDB, bare COPY", "refine_copy.py", after=verified),
        Contender(
            "lineage",
            "DuckDB, COPY with lineage and hash",
            script="refine_copy.py",
            arguments=("lineage",),
            after=verified,
        ),
        Contender("pyarrow", "pyarrow, read_json", "refine_pyarrow.py", after=verified),
        Contender(
            "awswrangler",
            "awswrangler, of pandas' read_json",
            "refine_awswrangler.py",
            environment=PANDAS,
            cases=READ_BY_PANDAS,
            slow=2,
            after=verified,
        ),
    ),
    goals=tuple(_goals()),
)
