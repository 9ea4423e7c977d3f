"""Imported by the process that jobs are forked from, and by no other: what every job would else do again."""

import argparse  # noqa: F401 - the imports that jobs make late
import atexit
import encodings.idna
import encodings.utf_8_sig  # noqa: F401
import functools
import gc
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi  # noqa: F401
import anyio._backends._asyncio  # noqa: F401
import boto3
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import importlib_resources  # noqa: F401
import msgspec
import psycopg  # noqa: F401
import pyarrow.parquet  # noqa: F401
import s3transfer.manager  # noqa: F401
import structlog  # noqa: F401
import yaml
from botocore.config import Config

import ingot.job
import ingot.sources
import ingot.steps.audit
import ingot.steps.extract
import ingot.steps.load
import ingot.steps.rebuild
import ingot.steps.refine
import ingot.steps.resolve
import ingot.warehouse.postgres
from ingot.attempt import Attempt
from ingot.manifest import Manifest
from ingot.storage import ObjectStore
from tests.faults.job import ENDPOINTS, SOURCES

_make = boto3.client
_made: dict[tuple[str, ...], Any] = {}


def _client(service: str, *, config: Config | None = None, **options: Any) -> Any:
    """The client that `boto3.client` makes; once for each place that it is to talk to."""
    asked = config._user_provided_options if config else {}  # type: ignore[attr-defined]
    key = (service, os.environ["AWS_ENDPOINT_URL"], repr(asked), repr(options))
    if key not in _made:
        _made[key] = _make(service, config=config, **options)  # type: ignore[call-overload]
    return _made[key]


# The same grammar, ten times as fast.
yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc, assignment]
# Nothing here speaks TLS, and certificates take a tenth of a second to read.
ssl.create_default_context = lambda *args, **kwargs: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Half of what a small job does is to make clients.
boto3.client = _client  # type: ignore[assignment]
for endpoint in os.environ[ENDPOINTS].split():
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    ObjectStore("any")
    for name in ("s3", "secretsmanager"):
        boto3.client(name)
    boto3.client("s3").get_paginator("list_objects_v2")
# What types say is looked up when they are first met.
for met in (Attempt, Manifest):
    with suppress(msgspec.ValidationError):
        msgspec.json.decode(b"{}", type=met)
# The same text is the same contract.
ingot.sources.load_contract = functools.cache(ingot.sources.load_contract)  # type: ignore[attr-defined]
for folder in Path(os.environ[SOURCES]).iterdir():
    ingot.sources.load_sources(folder)
# Nothing of this is garbage, and looking for it would copy the pages that forks share.
gc.collect()
gc.freeze()
# It ends without a word: taken apart in order, DuckDB complains of what it has not freed.
_ME = os.getpid()


def _end() -> None:
    if os.getpid() == _ME:
        os._exit(0)


atexit.register(_end)
