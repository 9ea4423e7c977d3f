"""A stream that chooses Spark: what it may say, what it gets, and what a job says where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from ingot.contract.arrow import arrow_schema
from ingot.errors import ConfigurationError
from ingot.manifest import Manifest, Part
from ingot.sources import Source, load_source
from ingot.steps.refine_spark import write
from ingot.storage import ObjectStore

FAKESTORE = Path(__file__).resolve().parents[3] / "sources" / "fakestore"


def declared(tmp_path: Path, **said: str) -> Source:
    """Fakestore, with what some of its streams say of refine."""
    folder = shutil.copytree(FAKESTORE, tmp_path / "fakestore", ignore=shutil.ignore_patterns("recorded"))
    file = folder / "source.yaml"
    text = file.read_text()
    for stream, refine in said.items():
        text = text.replace(f"  {stream}:\n", f"  {stream}:\n    refine: {refine}\n")
    file.write_text(text)
    return load_source(folder)


def test_without_a_word_it_is_duckdb_and_no_worker_more(tmp_path: Path) -> None:
    source = declared(tmp_path)
    assert {stream.refine.engine for stream in source.streams.values()} == {"duckdb"}
    assert source.refine_workers is None


def test_the_job_has_as_many_workers_as_the_largest_stream_asks_for(tmp_path: Path) -> None:
    source = declared(tmp_path, carts="{engine: spark, workers: 10}", users="{engine: spark, workers: 4}")
    assert {name: stream.refine.engine for name, stream in source.streams.items()} == {
        "products": "duckdb", "users": "spark", "carts": "spark",
    }  # fmt: skip
    assert source.refine_workers == 10


def test_spark_without_a_number_is_the_least_that_glue_has(tmp_path: Path) -> None:
    assert declared(tmp_path, carts="{engine: spark}").refine_workers == 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{workers: 4}", "DuckDB is one process"),
        ("{engine: duckdb, workers: 4}", "DuckDB is one process"),
        ("{engine: spark, workers: 1}", "`int` >= 2"),
        ("{engine: polars}", "Invalid enum value 'polars'"),
        ("{engine: spark, memory: 4}", "unknown field `memory`"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, said: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        declared(tmp_path, carts=said)


def test_a_python_without_pyspark_says_so_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.errors", cast(Any, None))  # as if it were not installed
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    part = Part(key="part", records=1, bytes=1, stored_bytes=1, sha256="")
    manifest = Manifest(
        batch_id="b", source="x", stream="s", mode="snapshot", interval_start=moment, interval_end=moment,
        as_of=moment, accepted=1, rejected=0, parts=(part,), rejects=None, reject_rules={}, requests=(),
        contract_id="x", contract_version="1.0.0", code_version="0", redacted=(), drift=(), watermark=None,
        started_at=moment, committed_at=moment, seconds=0,
    )  # fmt: skip
    contract = load_source(FAKESTORE).stream("carts").contract
    with pytest.raises(ConfigurationError, match="no PySpark") as missing:
        write(tmp_path / "x.parquet", manifest, contract, cast(ObjectStore, None), arrow_schema(contract))
    assert ".venv-spark" in missing.value.hint
    assert not missing.value.transient


def test_a_job_that_no_stream_chose_spark_for_imports_nothing_of_it() -> None:
    code = "import sys, ingot.steps.refine; print([m for m in sys.modules if 'spark' in m])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
