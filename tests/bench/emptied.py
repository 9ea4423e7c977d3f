"""``python -m tests.bench.emptied``: a stage's warehouse and buckets as before its first contender."""

from __future__ import annotations

import os

import boto3

from tests.bench.warehouse import connect

BUCKETS = ("bench-bronze", "bench-lake")


def _main() -> None:
    with connect() as connection:
        found = connection.execute(
            "select nspname from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$'"
        )
        for (schema,) in found.fetchall():
            connection.execute(f'drop schema "{schema}" cascade'.encode())
    if "AWS_ENDPOINT_URL" not in os.environ:
        return
    s3 = boto3.resource("s3")
    there = {bucket.name for bucket in s3.buckets.all()}
    for name in BUCKETS:
        if name in there:
            s3.Bucket(name).objects.all().delete()
        else:
            s3.create_bucket(Bucket=name)


if __name__ == "__main__":
    _main()
