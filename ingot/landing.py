"""Files that somebody puts where a stream takes what lands, and what its next batch will make of them.

Nothing is guessed: a file is looked at by what the extract step reads and checks it with, and put as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Literal

from ingot.errors import ConfigurationError
from ingot.fetch.landed import Landing, is_unfinished
from ingot.gate import Gate, Refusal
from ingot.naming import failed_prefix, landing_prefix
from ingot.sequence import newest_claim
from ingot.sources import Stream
from ingot.storage import ObjectStore, Stored, SupportsWrite

_BLOCK = 2**20
_MOST_KEY_BYTES = 1024  # S3's own limit


@dataclass(frozen=True)
class Look:
    """What the next batch will make of a file.

    Attributes:
        records: how many were looked at.
        refused: those of them that the gate refuses, each with its line and column.
        whole: whether these were all records of the file.
        taken_as: the key under which a batch took this very content; None if it is news.
    """

    records: int
    refused: tuple[Refusal, ...]
    whole: bool
    taken_as: str | None

    @property
    def accepted(self) -> int:
        return self.records - len(self.refused)


def landing_key(stream: Stream, name: str) -> str:
    """Where a file of this name lands.

    Raises:
        ConfigurationError: no batch would take it there, or no object can be called so.
    """
    key = landing_prefix(stream.source, stream.name) + name
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or not name.isprintable() or len(key.encode()) > _MOST_KEY_BYTES:
        raise ConfigurationError(f"Nothing can land as {name!r}.", hint="give another with --name: prices/2026-03.csv")
    if is_unfinished(key):
        raise ConfigurationError(
            f"{name!r} would be left alone: files that are not written to their end are called so.",
            hint="give another with --name",
        )
    if key.startswith(failed_prefix(stream.source, stream.name)):
        raise ConfigurationError(
            f"{name!r} would lie among what Firehose could not deliver.", hint="give another with --name"
        )
    return key


def look(stream: Stream, key: str, content: IO[bytes], *, bronze: ObjectStore, most: int | None = None) -> Look:
    """Read a file and hold its records to the contract, as the next batch will. Nothing is written.

    Args:
        most: look at about so many records only.

    Raises:
        IngotError: see :mod:`ingot.storage`; what was taken before cannot be read.
    """
    landing = Landing(stream, newest_claim(bronze, stream.source, stream.name), _OneFile(bronze.bucket, key, content))
    gate = Gate(stream.contract)
    records = 0
    refused: list[Refusal] = []
    whole = True
    for page in landing.pages():
        verdict = gate.check(page.body, page.records, page.faults)
        refused += [page.locate(each, each.position - records) for each in verdict.refused]
        records += len(page.records)
        if most is not None and records >= most:
            whole = False
            break
    taken_as = None
    if not landing.objects:
        taken_as = key
    elif not records and (same := [file.same_as for file in landing.objects[0].files]) and all(same):
        taken_as = same[0]
    return Look(records, tuple(refused), whole, taken_as)


def land(
    key: str, content: IO[bytes], *, bronze: ObjectStore, replace: bool = False
) -> Literal["new", "same", "other"]:
    """Put a file where it lands, unless something lies there.

    Args:
        replace: put it there even so.

    Returns:
        ``new``: nothing lay there; ``same``: this very content lies there; ``other``: another does, or did until it
        was replaced.
    """
    if bronze.put_file(key, content):
        return "new"
    if _lies_there(key, content, bronze):
        return "same"
    if replace:
        bronze.put_file(key, content, new=False)
    return "other"


def _lies_there(key: str, content: IO[bytes], bronze: ObjectStore) -> bool:
    ours, theirs = _Digest(), _Digest()
    content.seek(0)
    while block := content.read(_BLOCK):
        ours.write(block)
    there = next((stored for stored in bronze.stored(key) if stored.key == key), None)
    return there is not None and bronze.read_version(key, there.etag, theirs) and ours.hex() == theirs.hex()


class _Digest:
    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def write(self, block: bytes, /) -> int:
        self._digest.update(block)
        return len(block)

    def hex(self) -> str:
        return self._digest.hexdigest()


class _OneFile(ObjectStore):
    """The bucket, as if one file lay where it lands and nothing else did."""

    def __init__(self, bucket: str, key: str, content: IO[bytes]) -> None:
        super().__init__(bucket)
        self._key, self._content = key, content

    def stored(self, prefix: str) -> Iterator[Stored]:
        yield Stored(self._key, "", datetime.now(UTC))

    def read_version(self, key: str, etag: str, into: SupportsWrite) -> bool:
        self._content.seek(0)
        while block := self._content.read(_BLOCK):
            into.write(block)
        return True
