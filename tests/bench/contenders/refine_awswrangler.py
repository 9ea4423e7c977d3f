"""awswrangler: a data frame of each part, by pandas' reader of JSON lines, → ``s3.to_parquet``.

The types are those that it infers: with types given, it writes small letters and loses every ``productId``.
"""

import json
import os
from importlib.metadata import version
from time import perf_counter

import awswrangler as wr
import boto3
import pandas as pd

BUCKET = "bench-frames"

boto3.client("s3").create_bucket(
    Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
)
rows = 0
begun = perf_counter()
for number, file in enumerate(os.environ["BENCH_FILES"].split(os.pathsep)):
    frame = pd.read_json(file, lines=True)
    wr.s3.to_parquet(frame, f"s3://{BUCKET}/{number:05d}.parquet", index=False, compression="zstd")
    rows += len(frame)
seconds = perf_counter() - begun
versions = {name: version(name) for name in ("awswrangler", "pandas")}
print(json.dumps({"records": rows, "columns": "source", "bucket": BUCKET, "seconds": seconds, "versions": versions}))
