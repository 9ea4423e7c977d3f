"""Ours: the load step. Its seconds are those of the copy into staging, or, with ``published``, of the whole step."""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from ingot.manifest import decode
from ingot.steps.load import load
from ingot.warehouse.postgres import PostgresWarehouse
from tests.bench.attempts import running
from tests.bench.folder import Folder
from tests.bench.loadable import CONTRACT
from tests.bench.warehouse import connect, endpoint

SPENT = {}


class Watched(PostgresWarehouse):
    """The adapter as it is, with a clock at the copy."""

    def _copy(self, *arguments):
        begun = perf_counter()
        super()._copy(*arguments)
        SPENT["copy"] = perf_counter() - begun


def load_batch(place):
    """Load a refined batch."""
    (manifest,) = (decode(path.read_bytes(), path.name) for path in (place / "bronze" / "manifests").rglob("*.json"))
    record = running(manifest.batch, "load", manifest.as_of)
    bronze, lake = Folder(place / "bronze"), Folder(place / "lake")
    begun = perf_counter()
    load(manifest.batch, contract=CONTRACT, bronze=bronze, lake=lake, warehouse=Watched(endpoint()), record=record)
    SPENT["load"] = perf_counter() - begun


def main(what="staging"):
    load_batch(Path(os.environ["BENCH_BATCH"]))
    with connect() as connection:
        counted = "select count(*)::int, sum(jsonb_array_length(products))::int from bronze.fakestore_carts"
        ((rows, lines),) = connection.execute(counted).fetchall()
    versions = {name: version(name) for name in ("adbc-driver-postgresql", "duckdb", "psycopg")}
    seconds = SPENT["load" if what == "published" else "copy"]
    print(json.dumps({"records": rows, "lines": lines, "seconds": seconds, "spent": SPENT, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
