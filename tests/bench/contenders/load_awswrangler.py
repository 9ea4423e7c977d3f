"""awswrangler: a Parquet file → a data frame → ``postgresql.to_sql``, with 1,000 rows a statement."""

import json
import os
from importlib.metadata import version
from time import perf_counter

import awswrangler as wr
import pandas as pd
import pg8000

given = {name: os.environ[f"INGOT_WAREHOUSE_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "DBNAME")}
connection = pg8000.connect(
    given["USER"],
    host=given["HOST"],
    port=int(given["PORT"]),
    password=given["PASSWORD"],
    database=given["DBNAME"],
)
begun = perf_counter()
frame = pd.read_parquet(os.environ["BENCH_FLAT"], dtype_backend="pyarrow")
wr.postgresql.to_sql(frame, connection, table="carts", schema="staging", mode="append", index=False, chunksize=1000)
connection.commit()
seconds = perf_counter() - begun
with connection.cursor() as cursor:
    cursor.execute("select count(*)::int, sum(jsonb_array_length(products::jsonb))::int from staging.carts")
    ((rows, lines),) = cursor.fetchall()
versions = {"awswrangler": version("awswrangler")}
print(json.dumps({"records": rows, "lines": lines, "seconds": seconds, "versions": versions}))
