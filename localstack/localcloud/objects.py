"""Keep the objects of all buckets over a restart; everything else is rebuilt by deploying again.

On disk: `blobs/` holds each distinct content once, by its SHA-256, and `index.json` names bucket, key,
content, headers, tags and storage class of each object's current version. Saving writes only contents
that are new, and the index last, by renaming: a save that is cut off leaves the one before it.

After a restart a bucket's objects wait until a bucket of that name is created, and are then put into it
through the API, so that the bucket's default encryption and versioning apply. A bucket that nobody has
created again keeps its objects on disk; one that was deleted through the API loses them.

Hooks: `S3Backend.create_bucket`, and `FakeBucket.keys` for reading.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

from localcloud.clients import client

log = logging.getLogger(__name__)

FORMAT = 1
_HEADER_PARAMETERS = {
    "content-type": "ContentType",
    "content-encoding": "ContentEncoding",
    "content-disposition": "ContentDisposition",
    "content-language": "ContentLanguage",
    "cache-control": "CacheControl",
}
_META_PREFIX = "x-amz-meta-"

Entry = dict[str, Any]


class ObjectStore:
    """The buckets' objects on disk. Without a folder nothing is kept, and saving does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._held: set[str] = set()
        # A FakeKey's content never changes: what was hashed once need not be read again.
        self._hashed: dict[tuple[int, dt.datetime], str] = {}
        self._waiting: dict[str, list[Entry]] = {}
        self._written = ""
        if folder:
            (folder / "blobs").mkdir(parents=True, exist_ok=True)
            self._load(folder)

    def _load(self, folder: Path) -> None:
        index = folder / "index.json"
        if not index.exists():
            return
        document = json.loads(index.read_text())
        if document["format"] != FORMAT:
            raise RuntimeError(
                f"{index} has format {document['format']}, and this local cloud reads {FORMAT}: "
                f"delete {folder} and deploy again"
            )
        self._waiting = document["buckets"]
        log.info("objects wait for %d buckets to be created again", len(self._waiting))

    def save(self) -> int:
        """Write what changed since the last save; returns how many objects are kept."""
        if self._folder is None:
            return 0
        with self._lock:
            buckets = dict(self._waiting)
            seen: dict[tuple[int, dt.datetime], str] = {}
            for bucket in _buckets():
                entries = [self._entry(self._folder, bucket, key, seen) for key in _current_keys(bucket)]
                # One that is there again but not yet restored still has what waits for it.
                waiting = {entry["key"]: entry for entry in self._waiting.get(bucket.name, [])}
                waiting.update((entry["key"], entry) for entry in entries if entry)
                buckets[bucket.name] = list(waiting.values())
            self._hashed = seen
            text = json.dumps({"format": FORMAT, "buckets": buckets}, sort_keys=True)
            if text != self._written:
                partial = self._folder / "index.partial"
                partial.write_text(text)
                partial.replace(self._folder / "index.json")
                self._written = text
                self._drop_unreferenced(self._folder, buckets)
            return sum(map(len, buckets.values()))

    def _entry(self, folder: Path, bucket: FakeBucket, key: FakeKey, seen: dict[Any, str]) -> Entry | None:
        identity = (id(key), key.last_modified)
        digest = self._hashed.get(identity)
        if digest is None:
            try:
                content = key.value
            except ValueError:  # replaced while we looked: moto closed it, and the next save has the new one
                return None
            digest = hashlib.sha256(content).hexdigest()
            blob = folder / "blobs" / digest
            if not blob.exists():
                partial = blob.with_suffix(".partial")
                partial.write_bytes(content)
                partial.replace(blob)
        seen[identity] = digest
        backend = s3_backends[bucket.account_id][bucket.partition]
        return {
            "key": key.name,
            "sha256": digest,
            "headers": {name.lower(): value for name, value in key.metadata.items()},
            "tags": backend.tagger.get_tag_dict_for_resource(key.arn),
            "storage_class": key.storage_class,
        }

    @staticmethod
    def _drop_unreferenced(folder: Path, buckets: dict[str, list[Entry]]) -> None:
        wanted = {entry["sha256"] for entries in buckets.values() for entry in entries}
        for blob in (folder / "blobs").iterdir():
            if blob.name not in wanted:
                blob.unlink()

    @contextlib.contextmanager
    def held(self, bucket: str) -> Iterator[None]:
        """Let a bucket's objects wait until it is configured, and not only until it is created."""
        self._held.add(bucket)
        try:
            yield
        finally:
            self._held.discard(bucket)
        self.restore(bucket)

    def restore(self, bucket: str) -> None:
        """Put the objects that wait for `bucket` into it."""
        if self._folder is None or bucket in self._held or bucket not in self._waiting:
            return
        s3 = client("s3", "us-east-1")
        for entry in self._waiting[bucket]:
            s3.put_object(Bucket=bucket, **_put_arguments(entry, self._folder / "blobs" / entry["sha256"]))
        with self._lock:
            restored = self._waiting.pop(bucket)
        log.info("restored %d objects of %s", len(restored), bucket)


_store = ObjectStore(None)


def install(folder: Path | None) -> ObjectStore:
    """Hook into moto and read what `folder` keeps. Call once; a falsy folder keeps nothing."""
    global _store
    _store = ObjectStore(folder)
    original = S3Backend.create_bucket

    @functools.wraps(original)
    def create_bucket(self: S3Backend, bucket_name: str, *args: Any, **kwargs: Any) -> FakeBucket:
        bucket = original(self, bucket_name, *args, **kwargs)
        _store.restore(bucket_name)
        return bucket

    S3Backend.create_bucket = create_bucket  # type: ignore[method-assign]
    return _store


def store() -> ObjectStore:
    """The store that `install` made."""
    return _store


def _buckets() -> list[FakeBucket]:
    return [
        bucket
        for _, _, backend in list(s3_backends.iter_backends())
        if isinstance(backend, S3Backend)
        for bucket in list(backend.buckets.values())
    ]


def _current_keys(bucket: FakeBucket) -> list[FakeKey]:
    # The last of a key's versions is the current one; a delete marker is no FakeKey.
    return [key for _, key in sorted(bucket.keys.items()) if isinstance(key, FakeKey)]


def _put_arguments(entry: Entry, blob: Path) -> dict[str, Any]:
    headers = entry["headers"]
    arguments: dict[str, Any] = {
        "Key": entry["key"],
        "Body": blob.read_bytes(),
        "StorageClass": entry["storage_class"],
        "Metadata": {
            name.removeprefix(_META_PREFIX): value for name, value in headers.items() if name.startswith(_META_PREFIX)
        },
        **{parameter: headers[name] for name, parameter in _HEADER_PARAMETERS.items() if name in headers},
    }
    if entry["tags"]:
        arguments["Tagging"] = urlencode(entry["tags"])
    return arguments
