"""A bucket that is a folder: what the steps ask of one, with the bytes on this machine's disk.

The steps are measured against files, since a stand-in for S3 is slower than what is measured.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ingot.errors import BatchMissing
from ingot.storage import ObjectStore


class Folder(ObjectStore):
    """The part of :class:`ingot.storage.ObjectStore` that refine and load use."""

    def __init__(self, folder: Path) -> None:  # no client: nothing is asked over a network
        self.bucket = folder.name
        self._folder = folder

    def __reduce__(self) -> tuple[type[Folder], tuple[Path]]:
        return Folder, (self._folder,)

    def put(self, key: str, body: bytes) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def put_new(self, key: str, body: bytes) -> bool:
        if (self._folder / key).exists():
            return False
        self.put(key, body)
        return True

    def upload(self, key: str, path: Path) -> None:
        (self._folder / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self._folder / key)

    def get(self, key: str) -> bytes:
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            raise BatchMissing("There is no such object.", key=key) from None

    def find(self, key: str) -> bytes | None:
        path = self._folder / key
        return path.read_bytes() if path.exists() else None

    def download(self, key: str, path: Path) -> None:
        try:
            shutil.copyfile(self._folder / key, path)
        except FileNotFoundError:
            raise BatchMissing("There is no such object.", key=key) from None
