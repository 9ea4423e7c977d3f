"""The recorded streams, read from the JSON files of a folder: one file a stream, or a variant of one.

``products.json`` is the stream *products*; ``products_2025.json`` is a variant of the same stream: what comes
before the first underscore names the stream that it can stand in for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FAKESTORE = Path(__file__).parent / "recordings" / "fakestore"

type Record = dict[str, Any]


def compact(value: object) -> bytes:
    """JSON as ``JSON.stringify`` writes it: no spaces, UTF-8 not escaped, keys in the order given.

    Python reads 109 as an integer and 22.3 as the float whose shortest spelling is 22.3, so that a recording
    that is read and written keeps the spelling of its numbers. A lone surrogate stands for one raw byte (PEP
    383): this is how a test puts bytes that are no UTF-8 into a string.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")


class UnknownRecording(LookupError):
    """No recording has this name; the message lists those there are."""


class Recordings:
    """All recordings of a folder, in memory; never changed after they are read."""

    def __init__(self, folder: Path = FAKESTORE) -> None:
        self._streams: dict[str, tuple[Record, ...]] = {
            file.stem: tuple(json.loads(file.read_text("utf-8"))) for file in sorted(folder.glob("*.json"))
        }
        if not self._streams:
            raise FileNotFoundError(f"No *.json in {folder}: name a folder with one JSON array a stream.")

    @property
    def names(self) -> list[str]:
        return list(self._streams)

    def __getitem__(self, name: str) -> tuple[Record, ...]:
        try:
            return self._streams[name]
        except KeyError:
            raise UnknownRecording(f"There is no recording {name!r}; there are {', '.join(self._streams)}.") from None


def stream_of(recording: str) -> str:
    """The stream that a recording can stand in for: ``products_2025`` → ``products``."""
    return recording.partition("_")[0]
