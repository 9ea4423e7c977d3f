"""Ours: the extract step as the Glue job calls it, with a stream that is asked for in pages."""

import json
import os
import shutil
import tempfile
import time
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import boto3

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

DECLARED = """
name: fakestore
title: The scaled store, in pages
schedule: "@daily"
start_date: 2020-01-01
base_url: https://fakestoreapi.com
request:
  deadline_seconds: 3600
  concurrency: 8
streams:
  carts:
    path: /carts
    mode: interval
    params: {limit: "1000"}
    pagination: {type: page, max_pages: 100000}
"""

bucket = f"bench-{uuid.uuid4().hex[:12]}"
boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
os.environ["INGOT_SOURCE_URL_FAKESTORE"] = os.environ["BENCH_SOURCE"]
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "source.yaml").write_text(DECLARED)
    shutil.copy(Path(__file__).parents[3] / "sources" / "fakestore" / "carts.odcs.yaml", folder)
    begun = time.perf_counter()
    batch = Batch(
        source="fakestore",
        stream="carts",
        interval_start=datetime(2022, 1, 1, tzinfo=UTC),
        interval_end=datetime(2025, 1, 1, tzinfo=UTC),
    )
    bronze = ObjectStore(bucket)
    with attempt(bronze, batch, "extract") as record:
        manifest = extract(
            batch, source=load_source(folder), bronze=bronze, as_of=datetime(2025, 1, 1, tzinfo=UTC), record=record
        )
    seconds = time.perf_counter() - begun
answer = {"accepted": manifest.accepted, "seconds": seconds, "bucket": bucket, "keys": [p.key for p in manifest.parts]}
print(json.dumps(answer | {"versions": {name: version(name) for name in ("httpx", "msgspec", "zstandard")}}))
