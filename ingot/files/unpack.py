"""From the bytes that landed to the files in them: gzip, zstd and zip, told by how the bytes begin.

Everything is unpacked to its end before anything is read, into memory or a temporary file: what is cut off is refused
whole, and the hash of the unpacked bytes says whether the file is known.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

import zstandard

from ingot.files.extent import Extent
from ingot.files.model import Unreadable

_BLOCK = 2**20
_ZSTD_BLOCK = 4 * 2**10  # up to 128 MiB when it is unpacked
_IN_MEMORY = 16 * 2**20
_LEVELS = 3  # packed inside of packed
_BROKEN = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, zipfile.BadZipFile),
    NotImplementedError,  # zipfile's, of a way of packing that it does not know
)
_SHEET = re.compile(r"sheet[^/]*\.xml$", re.IGNORECASE)
_NO_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Attributes:
        part: where it is in what landed, if that is an archive: ``march/costs.csv``.
        name: without what says how it is packed.
        content: its bytes; at the beginning, and only there until the next file is asked for.
        sha256, bytes: of them, as far as they can be unpacked.
        fault: why there are none: `content` is then what cannot be unpacked.
    """

    part: str
    name: str
    content: IO[bytes]
    sha256: str
    bytes: int
    fault: Unreadable | None = None


class _Budget:
    """How many bytes may still come out of one object."""

    def __init__(self, mebibytes: int) -> None:
        self._left, self._most = mebibytes * 2**20, mebibytes

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Unreadable(f"Larger than {self._most} MiB when it is unpacked (files.max_unpacked_mb)")


def spool() -> IO[bytes]:
    """A temporary file that stays in memory while it is small."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


def files_in(stored: IO[bytes], name: str, *, max_mb: int) -> Iterator[File]:
    """The files in what landed, in the archive's order; itself, if it is not packed.

    Args:
        stored: its bytes, which may be sought in.
        name: its own.
        max_mb: how many MiB there may be when all is unpacked.
    """
    yield from _files(stored, "", name, _Budget(max_mb), _LEVELS)


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a zip is an Office document: it is a file, and no archive."""
    return "[Content_Types].xml" in archive.namelist()


def _files(stored: IO[bytes], part: str, name: str, budget: _Budget, levels: int) -> Iterator[File]:
    stored.seek(0)
    head = stored.read(4)
    stored.seek(0)
    packed = head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")) or head in (b"PK\x03\x04", b"PK\x05\x06")
    refused = partial(_whole, stored, part, name)
    if packed and not levels:
        yield refused(Unreadable("Packed more than three times"))
    elif head.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=stored, mode="rb") as unpacked:
            yield from _unpacked(refused, unpacked.read, part, name, "gzip", budget, levels)
    elif head == b"\x28\xb5\x2f\xfd":
        yield from _unpacked(refused, _zstd(stored), part, name, "zstd", budget, levels)
    elif packed:
        yield from _archive(stored, part, name, budget, levels)
    else:
        yield _whole(stored, part, name)


def _archive(stored: IO[bytes], part: str, name: str, budget: _Budget, levels: int) -> Iterator[File]:
    try:
        archive = zipfile.ZipFile(stored)
    except (*_BROKEN, ValueError) as error:
        yield _whole(stored, part, name, Unreadable(f"No zip, or one that is cut off: {_short(error)}"))
        return
    with archive:
        if is_workbook(archive):
            yield _whole(stored, part, name, _bomb(archive, budget))
            return
        for member in archive.infolist():
            if member.is_dir() or member.filename.startswith(_NO_FILES) or member.filename.endswith(_NO_FILES):
                continue
            inside = f"{part}!{member.filename}" if part else member.filename
            refused = partial(File, inside, member.filename, stored, _called(member), 0)
            if member.flag_bits & 1:
                yield refused(Unreadable("Behind a password: nobody here has one"))
                continue
            try:
                opened = archive.open(member)
            except (*_BROKEN, RuntimeError) as error:
                yield refused(Unreadable(f"Cannot be taken out of its zip: {_short(error)}"))
                continue
            with opened:
                yield from _unpacked(refused, opened.read, inside, member.filename, "zip", budget, levels)


def _unpacked(
    refused: Callable[[Unreadable], File],
    read: Callable[[int], bytes],
    part: str,
    name: str,
    how: str,
    budget: _Budget,
    levels: int,
) -> Iterator[File]:
    with spool() as content:
        try:
            while block := read(_BLOCK):
                budget.take(len(block))
                content.write(block)
        except Unreadable as error:
            yield refused(error)
            return
        except _BROKEN as error:
            yield refused(Unreadable(f"No {how}, or cut off: {_short(error)}"))
            return
        plain = name.removesuffix(".gz").removesuffix(".zst").removesuffix(".zip")
        yield from _files(content, part, plain, budget, levels - 1)


def _zstd(stored: IO[bytes]) -> Callable[[int], bytes]:
    # Not the library's reader: it takes a stream that is cut off for one that ends.
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    rest = b""

    def read(_: int) -> bytes:
        nonlocal frame, rest
        while block := rest or stored.read(_ZSTD_BLOCK):
            if frame.eof:
                frame = decompressor.decompressobj()
            unpacked = frame.decompress(block)
            rest = frame.unused_data if frame.eof else b""
            if unpacked:
                return unpacked
        if not frame.eof:
            raise EOFError("it ends within a frame")
        return b""

    return read


def _bomb(archive: zipfile.ZipFile, budget: _Budget) -> Unreadable | None:
    """Why a workbook should not be opened: its reader unpacks it without a limit."""
    try:
        for member in archive.infolist():
            extent = Extent() if _SHEET.search(member.filename) else None
            with archive.open(member) as opened:
                while block := opened.read(_BLOCK):
                    budget.take(len(block))
                    if extent is not None:
                        extent.feed(block)
    except Unreadable as error:
        return error
    except (*_BROKEN, RuntimeError) as error:
        return Unreadable(f"No Excel file, or one that is cut off or encrypted: {_short(error)}")
    return None


def _whole(content: IO[bytes], part: str, name: str, fault: Unreadable | None = None) -> File:
    content.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := content.read(_BLOCK):
        digest.update(block)
        size += len(block)
    content.seek(0)
    return File(part, name, content, digest.hexdigest(), size, fault)


def _called(member: zipfile.ZipInfo) -> str:
    """What stands for the hash of what nobody can unpack."""
    return hashlib.sha256(f"{member.filename} {member.CRC} {member.file_size}".encode()).hexdigest()


def _short(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
