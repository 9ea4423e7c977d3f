"""The scaled store's files, made once and kept: the same bytes as the recorded source's synthetic store serves.

``python -m tests.bench.shop FOLDER carts 1000000 pages``: a process of its own, so that the benchmark stays small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import Literal

SEED = 7
PAGE = 1000  # records

Form = Literal["pages", "lines"]
"""``pages``: a JSON array of 1,000 records a line; ``lines``: a record a line."""


def made(folder: Path, stream: str, orders: int, form: Form = "lines") -> Path:
    """The file of a stream of the store with so many orders; made if it is not there."""
    path = folder / f"{stream}-{orders}.{form}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", __name__, str(folder), stream, str(orders), form], check=True)
    return path


def records(stream: str, orders: int) -> Iterator[str]:
    """All records of a stream, each as the bytes that the source sends."""
    from recorded_source.recordings import Recordings
    from recorded_source.synthetic import SyntheticStore

    store = SyntheticStore(SEED, orders, Recordings())
    return store.records(stream, store.ids(stream))


def lines(stream: str, orders: int) -> int:
    """How many lines the carts have in sum."""
    from recorded_source.recordings import Recordings
    from recorded_source.synthetic import SyntheticStore

    store = SyntheticStore(SEED, orders, Recordings())
    return store.totals(store.ids(stream)).lines


def write(path: Path, found: Iterable[str]) -> None:
    """Write lines at one stroke: the file is there whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        for some in batched(found, 10_000):
            file.write("\n".join(some) + "\n")
    partial.replace(path)


def _main(folder: str, stream: str, orders: str, form: str) -> None:
    found = records(stream, int(orders))
    if form == "pages":
        found = (f"[{','.join(page)}]" for page in batched(found, PAGE))
    write(Path(folder) / f"{stream}-{orders}.{form}", found)


if __name__ == "__main__":
    _main(*sys.argv[1:])
