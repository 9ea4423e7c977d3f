"""``python -m tests.bench.loadable``: what the other contenders of the load stage take in, and an empty warehouse.

The server's own copy reads what the server itself wrote of the loaded table; the others are given the batch's Parquet
with each order's lines as JSON text, as neither of them loads a list of structures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ingot.contract.postgres import column_types, quote
from ingot.sources import load_source
from tests.bench.batches import parquet
from tests.bench.stage import ROOT
from tests.bench.warehouse import connect

BINARY = "carts.bin"
CONTRACT = load_source(ROOT / "sources" / "fakestore").stream("carts").contract
STAGING = ", ".join(f"{quote(name)} {kind}" for name, kind in column_types(CONTRACT).items())
COLUMNS = ", ".join(quote(name) for name in column_types(CONTRACT))


def binary() -> Path:
    """The file that the server copies from."""
    return Path(os.environ["INGOT_HOME"]) / "postgres" / "data" / BINARY


def flat(place: Path) -> Path:
    """The batch's Parquet with lines as text."""
    return place / "flat.parquet"


def empty() -> None:
    """No tables, and nothing of the runs before that the server has still to write."""
    with connect() as connection:
        for schema in ("bronze", "audit", "staging"):
            connection.execute(f"drop schema if exists {schema} cascade".encode())
        connection.execute("create schema staging")
        connection.execute("checkpoint")


def _give_rights() -> None:
    from laptop.paths import Home
    from laptop.services import Laptop

    with Laptop(home=Home(Path(os.environ["INGOT_HOME"]))).postgres.connect("postgres") as admin:
        admin.execute("grant pg_checkpoint, pg_read_server_files, pg_write_server_files to bench")


def _prepare() -> None:
    import duckdb

    from tests.bench.contenders.load_ingot import load_batch

    place = Path(os.environ["BENCH_BATCH"])
    empty()
    load_batch(place)
    with connect() as connection:
        copied = f"copy (select {COLUMNS} from bronze.fakestore_carts) to '{binary()}' (format binary)"
        connection.execute(copied.encode())
    if not flat(place).exists():
        partial = place / "flat.partial"
        with duckdb.connect(config={"threads": 1}) as engine:
            engine.execute("set timezone = 'UTC'")
            found = f"select * replace (to_json(products)::varchar as products) from read_parquet('{parquet(place)}')"
            engine.execute(f"copy ({found}) to '{partial}' (format parquet, compression zstd)")
        partial.rename(flat(place))


if __name__ == "__main__":
    if sys.argv[1:]:
        _give_rights()
    if sys.argv[1:] == ["prepare"]:
        _prepare()
    empty()
