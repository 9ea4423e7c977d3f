"""What one writes in an afternoon: requests, json and gzip, and an object for all of it."""

import gzip
import io
import json
import os
import time
import uuid
from importlib.metadata import version

import boto3
import requests

bucket = f"bench-{uuid.uuid4().hex[:12]}"
s3 = boto3.client("s3")
s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

begun = time.perf_counter()
stored, page, count = io.BytesIO(), 1, 0
with requests.Session() as session, gzip.open(stored, "wt", encoding="utf-8", compresslevel=6) as lines:
    while True:
        answer = session.get(f"{os.environ['BENCH_SOURCE']}/carts", params={"page": page, "limit": 1000}, timeout=30)
        answer.raise_for_status()
        records = answer.json()
        if not records:
            break
        for record in records:
            lines.write(json.dumps(record, separators=(",", ":")) + "\n")
        count, page = count + len(records), page + 1
s3.put_object(Bucket=bucket, Key="carts.jsonl.gz", Body=stored.getvalue())
seconds = time.perf_counter() - begun
versions = {"requests": version("requests")}
print(
    json.dumps(
        {"accepted": count, "seconds": seconds, "bucket": bucket, "keys": ["carts.jsonl.gz"], "versions": versions}
    )
)
