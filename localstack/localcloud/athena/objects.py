"""Objects on S3 as files that DuckDB reads, in ranges and over HTTP as Athena does, every byte counted."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from localcloud.clients import client

PROTOCOL = "athena"


class ScanLimitExceeded(Exception):
    """More was read than the workgroup allows."""


@dataclass(frozen=True)
class Stored:
    """An object, as a listing tells of it."""

    bucket: str
    key: str
    size: int


class ScannedObjects(AbstractFileSystem):  # type: ignore[misc]
    """The objects of one query, each under a path of its own that names its partition's values."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, region: str, limit: int | None = None) -> None:
        super().__init__()
        self.s3 = client("s3", region)
        self.scanned = 0
        self.limit_exceeded = False
        self._limit = limit
        self._files: dict[str, Stored] = {}
        self._lock = threading.Lock()

    def add(self, path: str, stored: Stored) -> str:
        """Make an object known under a path; returns its URL."""
        self._files[path] = stored
        return f"{PROTOCOL}://{path}"

    def count(self, size: int) -> None:
        """Raise ScanLimitExceeded when the bytes so far are more than the limit."""
        with self._lock:
            self.scanned += size
            if self._limit is not None and self.scanned > self._limit:
                self.limit_exceeded = True
                raise ScanLimitExceeded

    def start_counting(self) -> None:
        """Forget what was read to learn the columns."""
        with self._lock:
            self.scanned = 0

    def stored(self, path: str) -> Stored:
        return self._files[self._strip_protocol(path)]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.stored(path).size, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def modified(self, path: str) -> dt.datetime:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

    def created(self, path: str) -> dt.datetime:
        return self.modified(path)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> _Ranges:
        return _Ranges(self, path, mode, cache_type="none", size=self.stored(path).size)


class _Ranges(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        stored = self.fs.stored(self.path)
        self.fs.count(end - start)
        answer = self.fs.s3.get_object(Bucket=stored.bucket, Key=stored.key, Range=f"bytes={start}-{end - 1}")
        body: bytes = answer["Body"].read()
        return body


def listed(region: str, bucket: str, prefix: str) -> list[Stored]:
    """The objects below a prefix that are data: Athena skips names that begin with `_` or `.`."""
    pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        Stored(bucket, item["Key"], item["Size"])
        for page in pages
        for item in page.get("Contents", [])
        if item["Size"] and not item["Key"].rsplit("/", 1)[-1].startswith(("_", "."))
    ]
