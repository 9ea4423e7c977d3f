"""DuckDB alone: ``COPY (SELECT the contract's columns) TO Parquet``; with ``lineage`` all columns that ours writes."""

import json
import os
import sys
from pathlib import Path
from time import perf_counter

import duckdb

SELECT = """
    id, "userId" as user_id, date,
    list_transform(products, lambda x: {product_id: x."productId", quantity: x.quantity}) as products, __v as v
"""
COLUMNS = """{
    id: 'bigint', userId: 'bigint', date: 'timestamptz',
    products: 'struct("productId" bigint, quantity integer)[]', __v: 'integer'
}"""
LINEAGE = """
    'fakestore.carts.20260101T000000Z.20260102T000000Z' as _batch_id, row_number() over () - 1 as _line,
    '2026-01-02T00:00:00Z'::timestamptz as _ingested_at, sha256(line.json) as _record_hash, false as _deleted
"""


def main(columns="contract"):
    files = os.environ["BENCH_FILES"].split(os.pathsep)
    form = {"plain": "none"}.get(os.environ["BENCH_FORM"], os.environ["BENCH_FORM"])
    target = Path(os.environ["BENCH_TARGET"]) / "carts.parquet"
    begun = perf_counter()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        select, source = SELECT, f"read_json({files}, format = 'nd', compression = '{form}', columns = {COLUMNS})"
        if columns == "lineage":
            select += f", {LINEAGE}"
            source += f" positional join read_ndjson_objects({files}, compression = '{form}') as line"
        copy = f"copy (select {select} from {source}) to '{target}' (format parquet, compression zstd)"
        ((rows,),) = connection.execute(copy).fetchall()
    seconds = perf_counter() - begun
    versions = {"duckdb": duckdb.__version__}
    print(json.dumps({"records": rows, "columns": columns, "seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
