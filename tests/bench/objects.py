"""``python -m tests.bench.objects BUCKET KEY…``: the SHA-256 of what objects hold together; they are removed."""

from __future__ import annotations

import gzip
import hashlib
import sys
from typing import Any

import boto3
import zstandard

if __name__ == "__main__":
    bucket, *keys = sys.argv[1:]
    s3: Any = boto3.client("s3")
    digest = hashlib.sha256()
    for key in keys:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        compressed = key.endswith(".zst")
        with zstandard.ZstdDecompressor().stream_reader(body) if compressed else gzip.GzipFile(fileobj=body) as lines:
            while block := lines.read(2**20):
                digest.update(block)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    print(digest.hexdigest())
