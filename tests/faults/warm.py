"""Imported by the process that jobs are forked from, and by no other: what every job would else do again."""

import atexit
import encodings.idna  # noqa: F401
import functools
import gc
import os
import ssl

import adbc_driver_postgresql.dbapi  # noqa: F401 - the imports that jobs make late
import boto3
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import psycopg  # noqa: F401
import pyarrow.parquet  # noqa: F401
import s3transfer.manager  # noqa: F401
import yaml

import ingot.job
import ingot.steps
import ingot.warehouse.postgres  # noqa: F401

# The same grammar, ten times as fast.
yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc, assignment]
# Nothing here speaks TLS, and certificates take a tenth of a second to read.
ssl.create_default_context = lambda *args, **kwargs: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# A job asks for the same client of S3 once a file.
boto3.client = functools.cache(boto3.client)
# boto3 reads its descriptions of services once.
for service in ("s3", "secretsmanager"):
    boto3.client(service, endpoint_url="http://localhost:1")
# Nothing of this is garbage, and looking for it would copy the pages that forks share.
gc.collect()
gc.freeze()
# It ends without a word: taken apart in order, DuckDB complains of what it has not freed.
_ME = os.getpid()


def _end() -> None:
    if os.getpid() == _ME:
        os._exit(0)


atexit.register(_end)
