"""Writing and reading records in Bronze: lines of exact bytes, in compressed parts of bounded size."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec
import zstandard

from ingot.batch import Batch
from ingot.errors import IntegrityError
from ingot.gate import Refusal
from ingot.manifest import Part
from ingot.storage import ObjectStore

_RESTORE = "restore the object's version before"
_LEVEL = 1  # 0.44 GB/s a core, at the size of gzip-6
_AT_ONCE = 10_000  # lines
_PART_STORED_BYTES = 16 * 2**20
_PART_RECORDS = 1_000_000
_BLOCK_BYTES = 4 * 2**20
_BLOCK_RECORDS = 122_880  # DuckDB's row group
_PIECE_BYTES = 2**18  # 1 MiB can be twice as many records as a block shall have


class PartWriter:
    """Collects lines and writes an object each time one is full.

    Args:
        store: the Bronze bucket.
        key: makes a part's key from its number and the hash of its content.
        whole: put everything into one object, however large.
    """

    def __init__(self, store: ObjectStore, key: Callable[[int, str], str], *, whole: bool = False) -> None:
        self._store = store
        self._key = key
        self._whole = whole
        self.parts: list[Part] = []
        self._begin()

    def write(self, lines: Iterable[bytes]) -> None:
        """Add records, each without a line end."""
        rest = iter(lines)
        while some := list(islice(rest, _AT_ONCE - len(self._lines))):
            self._lines += some
            self._records += len(some)
            if len(self._lines) == _AT_ONCE:
                self._compress()
                if not self._whole and (self._buffer.tell() >= _PART_STORED_BYTES or self._records >= _PART_RECORDS):
                    self._flush()

    def close(self) -> tuple[Part, ...]:
        """Write what is left; all parts, in order."""
        self._flush()
        return tuple(self.parts)

    def _begin(self) -> None:
        self._buffer = io.BytesIO()
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._hash = hashlib.sha256()
        self._lines: list[bytes] = []
        self._records = self._bytes = 0

    def _compress(self) -> None:
        if self._lines:
            block = b"\n".join(self._lines) + b"\n"
            self._hash.update(block)
            self._bytes += len(block)
            self._buffer.write(self._compressor.compress(block))
            self._lines = []

    def _flush(self) -> None:
        if not self._records:
            return
        self._compress()
        self._buffer.write(self._compressor.flush())
        body, digest = self._buffer.getvalue(), self._hash.hexdigest()
        part = Part(
            key=self._key(len(self.parts), digest),
            records=self._records,
            bytes=self._bytes,
            stored_bytes=len(body),
            sha256=digest,
        )
        self._store.put(part.key, body)
        self.parts.append(part)
        self._begin()


def write_object(store: ObjectStore, key: Callable[[str], str], lines: Iterable[bytes]) -> Part | None:
    """Write lines as one object, however many; None, and no object, if there are none.

    Args:
        key: makes the object's key from the hash of its content.
    """
    writer = PartWriter(store, lambda _, sha256: key(sha256), whole=True)
    writer.write(lines)
    parts = writer.close()
    return parts[0] if parts else None


class RejectWriter:
    """Collects the refused records of a batch for one object of the quarantine; what waits is compressed.

    Attributes:
        records: how many there are.
        rules: how many violations of each rule they have.
    """

    def __init__(self, store: ObjectStore, batch: Batch) -> None:
        self._writer = PartWriter(store, lambda _, sha256: batch.rejects_key(sha256), whole=True)
        self._rules: Counter[str] = Counter()
        self.records = 0

    @property
    def rules(self) -> dict[str, int]:
        return dict(sorted(self._rules.items()))

    def write(self, refused: Iterable[Refusal]) -> None:
        """Add records: a line each, a JSON object with every violation."""
        for refusal in refused:
            self.records += 1
            self._rules.update(violation.rule for violation in refusal.violations)
            self._writer.write([_reject_line(refusal)])

    def close(self) -> Part | None:
        """Write the object; None, and no object, if nothing was refused."""
        parts = self._writer.close()
        return parts[0] if parts else None


def read_lines(store: ObjectStore, part: Part) -> Iterator[bytes]:
    """The lines of one object.

    Raises:
        IntegrityError: its bytes are not those that the manifest recorded.
    """
    body = store.get(part.key)
    verify(io.BytesIO(body), part)
    yield from zstandard.ZstdDecompressor().stream_reader(body).readall().splitlines()


def read_blocks(stored: BinaryIO, part: Part) -> Iterator[tuple[bytes, int]]:
    """The lines of a stored part in blocks that fit into memory, each with how many it has; the last end is kept.

    What is read is held to the manifest when it has been read to its end.

    Raises:
        IntegrityError: its bytes are not those that the manifest recorded, or cannot be read.
    """
    digest = hashlib.sha256()
    waiting: list[bytes] = []
    size = lines = 0
    try:
        with zstandard.ZstdDecompressor().stream_reader(stored) as content:
            while chunk := content.read(_BLOCK_BYTES):
                digest.update(chunk)
                for piece, ended in _pieces(chunk):
                    size, lines = size + len(piece), lines + ended
                    if ended and (lines >= _BLOCK_RECORDS or size >= _BLOCK_BYTES):
                        end = piece.rfind(b"\n") + 1
                        yield b"".join([*waiting, memoryview(piece)[:end]]), lines
                        waiting, size, lines = [piece[end:]], len(piece) - end, 0
                    else:
                        waiting.append(piece)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"The object cannot be read: {error}.", key=part.key, hint=_RESTORE) from error
    if rest := b"".join(waiting):
        yield rest, lines
    if digest.hexdigest() != part.sha256:
        raise IntegrityError("The object is not what its manifest recorded.", key=part.key, hint=_RESTORE)


def _pieces(chunk: bytes) -> Iterator[tuple[bytes, int]]:
    """What was read, with how many line ends it has; in pieces if they are more than a block shall have."""
    # Few large reads: each one lets go of the interpreter, which a thread that hashes gives back 5 ms later.
    ended = chunk.count(b"\n")
    if ended <= _BLOCK_RECORDS:
        yield chunk, ended
        return
    for start in range(0, len(chunk), _PIECE_BYTES):
        piece = chunk[start : start + _PIECE_BYTES]
        yield piece, piece.count(b"\n")


def verify(stored: BinaryIO, part: Part) -> None:
    """Hold a stored part to what its manifest recorded of it.

    Raises:
        IntegrityError: its bytes are others, or cannot be read.
    """
    for _ in read_blocks(stored, part):
        pass


def read_reject_object(store: ObjectStore, key: str) -> Iterator[dict[str, Any]]:
    """The refused records of one object of the quarantine, as :class:`RejectWriter` wrote them, one after the other."""
    with zstandard.ZstdDecompressor().stream_reader(store.get(key)) as content:
        yield from map(msgspec.json.decode, io.BufferedReader(content))


def _reject_line(refusal: Refusal) -> bytes:
    """A refused record as it stands in the quarantine."""
    record: str | None
    try:
        record = refusal.record.decode() if refusal.record is not None else None
        encoding = "utf-8"
    except UnicodeDecodeError:
        assert refusal.record is not None
        record, encoding = refusal.record.decode("latin-1"), "latin-1"
    where = {"file": refusal.file} if refusal.file is not None else {}
    return msgspec.json.encode(
        {
            "position": refusal.position,
            "key": refusal.key,
            "violations": refusal.violations,
            "record": record,
            "record_encoding": encoding if record is not None else None,
            "withheld": refusal.record is None,
            "record_sha256": refusal.sha256,
            "line": refusal.line,
            **where,
        }
    )
