"""Ours: the steps as the jobs run them, and dbt as `ingot transform` starts it."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import yaml

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.warehouse.postgres import PostgresWarehouse
from tests.bench.warehouse import connect, endpoint

ROOT = Path(__file__).parents[3]
PAGES = {"type": "page", "max_pages": 100_000, "short_page_ends": True}
SPENT: dict[str, float] = {}


def source_of(store, folder):
    """Fakestore with the scaled store's address, in pages."""
    for file in (ROOT / "sources" / "fakestore").glob("*.odcs.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    declared = yaml.safe_load((ROOT / "sources" / "fakestore" / "source.yaml").read_text())
    declared["base_url"] = store
    declared["request"]["deadline_seconds"] = 1800
    declared["streams"]["carts"]["params"] = {"limit": "1000"}
    declared["streams"]["carts"]["pagination"] = PAGES
    (folder / "source.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return load_source(folder)


def spent(name, begun):
    SPENT[name] = round(perf_counter() - begun, 3)


def run(folder):
    """Extract, refine and load the orders."""
    source = source_of(os.environ["BENCH_STORE"], folder)
    contract = source.stream("carts").contract
    bronze, lake = ObjectStore("bench-bronze"), ObjectStore("bench-lake")
    batch = Batch(
        source="fakestore",
        stream="carts",
        interval_start=datetime(2022, 1, 1, tzinfo=UTC),
        interval_end=datetime(2025, 1, 1, tzinfo=UTC),
    )
    begun = perf_counter()
    with attempt(bronze, batch, "extract") as record:
        extract(batch, source=source, bronze=bronze, as_of=batch.interval_end, record=record)
    spent("extract", begun)
    begun = perf_counter()
    with attempt(bronze, batch, "refine") as record:
        refine(batch, contract=contract, bronze=bronze, lake=lake, record=record)
    spent("refine", begun)
    begun = perf_counter()
    with attempt(bronze, batch, "load") as record:
        load(batch, contract=contract, bronze=bronze, lake=lake, warehouse=PostgresWarehouse(endpoint()), record=record)
    spent("load", begun)


def transform():
    """Orders and lines, and what they are made of; with the manifest that is shipped, as a deployment has it."""
    begun = perf_counter()
    select = ["--select", "+orders", "+order_lines"]
    line = [str(ROOT / ".venv-dbt/bin/dbt"), "--quiet", "run", *select, "--target", "postgres"]
    state = Path(os.environ["INGOT_HOME"]) / "dbt"
    state.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "dbt/parsed.py", str(state)], cwd=ROOT, check=True)
    places = ["--project-dir", "dbt", "--profiles-dir", "dbt", "--target-path", str(state), "--log-path", str(state)]
    subprocess.run([*line, *places], cwd=ROOT, check=True, stdout=2)
    spent("dbt", begun)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
    transform()
    with connect() as connection:
        ((orders,),) = connection.execute("select count(*) from silver.orders").fetchall()
        ((lines,),) = connection.execute("select count(*) from silver.order_lines").fetchall()
    versions = {name: version(name) for name in ("duckdb", "pyarrow", "adbc-driver-postgresql", "psycopg")}
    print(json.dumps({"orders": orders, "lines": lines, "spent": SPENT, "versions": versions}))


if __name__ == "__main__":
    main()
