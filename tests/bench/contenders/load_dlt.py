"""dlt: Arrow tables of a Parquet file → Postgres, by files of CSV and COPY, which is the quickest way that it has."""

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

PLACE = tempfile.mkdtemp()
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DLT_DATA_DIR": PLACE,
}

import dlt  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

ADDRESS = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DBNAME}".format(
    **{name.removeprefix("INGOT_WAREHOUSE_"): value for name, value in os.environ.items() if "INGOT_WAREHOUSE_" in name}
)


def tables():
    for batch in pq.ParquetFile(os.environ["BENCH_FLAT"]).iter_batches(131_072):
        yield pa.Table.from_batches([batch])


begun = perf_counter()
destination = dlt.destinations.postgres(ADDRESS)
pipeline = dlt.pipeline("bench", pipelines_dir=str(Path(PLACE) / "p"), destination=destination, dataset_name="staging")
pipeline.run(dlt.resource(tables, name="carts", write_disposition="append"), loader_file_format="csv")
seconds = perf_counter() - begun
with pipeline.sql_client() as client:
    counted = "select count(*)::int, sum(jsonb_array_length(products::jsonb))::int from carts"
    ((rows, lines),) = client.execute_sql(counted)
print(json.dumps({"records": rows, "lines": lines, "seconds": seconds, "versions": {"dlt": version("dlt")}}))
