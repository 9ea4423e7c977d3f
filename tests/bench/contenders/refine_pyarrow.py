"""pyarrow alone: its JSON reader with the contract's types, part after part, into one Parquet file."""

import json
import os
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

LINE = pa.struct({"productId": pa.int64(), "quantity": pa.int32()})
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "userId": pa.int64(),
        "date": pa.timestamp("us", "UTC"),
        "products": pa.list_(LINE),
        "__v": pa.int32(),
    }
)
COMPRESSION = {"plain": None}.get(os.environ["BENCH_FORM"], os.environ["BENCH_FORM"])

rows = 0
target = Path(os.environ["BENCH_TARGET"]) / "carts.parquet"
begun = perf_counter()
options = pyarrow.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
    for file in os.environ["BENCH_FILES"].split(os.pathsep):
        with pa.input_stream(file, compression=COMPRESSION) as stream:
            table = pyarrow.json.read_json(stream, parse_options=options)
        writer.write_table(table)
        rows += len(table)
seconds = perf_counter() - begun
versions = {"pyarrow": pa.__version__}
print(json.dumps({"records": rows, "columns": "source", "seconds": seconds, "versions": versions}))
