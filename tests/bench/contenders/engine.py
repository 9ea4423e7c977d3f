"""The refine step by one of its engines: ``engine.py duckdb``. What it writes is kept in ``BENCH_TARGET``, if given."""

import json
import os
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from ingot.manifest import decode
from ingot.sources import load_source
from ingot.steps.refine import refine
from tests.bench.attempts import running
from tests.bench.folder import Folder
from tests.bench.stage import ROOT

engine = sys.argv[1]
place = Path(os.environ["BENCH_BATCH"])
(manifest,) = (decode(path.read_bytes(), path.name) for path in (place / "bronze" / "manifests").rglob("*.json"))
contract = load_source(ROOT / "sources" / "fakestore").stream("carts").contract
record = running(manifest.batch, "refine", manifest.as_of)
kept = os.environ.get("BENCH_TARGET")
lake = Path(kept or tempfile.mkdtemp(prefix="ingot-bench-"))
begun, session = time.perf_counter(), 0.0
if engine == "spark":
    from ingot.steps.refine_spark import _session

    _session()
    session = time.perf_counter() - begun
refine(
    manifest.batch,
    contract=contract,
    bronze=Folder(place / "bronze"),
    lake=Folder(lake),
    record=record,
    engine=engine,
)
seconds = time.perf_counter() - begun
if not kept:
    shutil.rmtree(lake)
versions = {name: version(name) for name in ("duckdb", "pyarrow", *(["pyspark"] if engine == "spark" else []))}
if engine == "spark":
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext.getOrCreate().stop()
    gateway.proc.stdin.close()
    gateway.proc.wait()  # else nobody counts the CPU of the JVM
answer = {"records": record.accepted, "columns": "lineage", "by": "ingot"}
print(json.dumps(answer | {"seconds": seconds, "session": session, "versions": versions}))
