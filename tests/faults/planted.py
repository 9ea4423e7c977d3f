"""Bugs, each planted in the jobs and nowhere else: a suite that cannot find them proves nothing.

They are bugs that people write: `make faults PLANT=manifest-first` shows how soon one is found, and in which history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

import ingot.job
from ingot.gate import Gate
from ingot.gate.gate import Verdict
from ingot.manifest import Manifest
from ingot.sources import CursorValue, Stream
from ingot.storage import ObjectStore
from ingot.warehouse.postgres import PostgresWarehouse
from tests.faults.job import Job


def _manifest_first(job: Job) -> None:
    """The manifest is written before the data that it names."""
    put, put_new = ObjectStore.put, ObjectStore.put_new
    late: list[tuple[str, bytes]] = []

    def put_later(self: ObjectStore, key: str, body: bytes) -> None:
        if key.startswith("data/"):
            late.append((key, body))
        else:
            put(self, key, body)

    def put_new_first(self: ObjectStore, key: str, body: bytes) -> bool:
        done = put_new(self, key, body)
        while late:
            put(self, *late.pop(0))
        return done

    ObjectStore.put, ObjectStore.put_new = put_later, put_new_first  # type: ignore[method-assign]


def _random_id(job: Job) -> None:
    """A load that is tried again does so under a new, random id."""
    load = PostgresWarehouse.load

    def load_anew(self: PostgresWarehouse, manifest: Manifest, contract: Any, parquet: Path, **options: Any) -> Any:
        manifest = msgspec.structs.replace(manifest, batch_id=f"{manifest.batch_id}.{uuid4().hex[:8]}")
        table = pq.read_table(parquet)
        at = table.schema.get_field_index("_batch_id")
        ids = pa.array([manifest.batch_id] * table.num_rows, pa.string())
        pq.write_table(table.set_column(at, table.schema.field(at), ids), parquet)
        return load(self, manifest, contract, parquet, **options)

    if job.tries > 1:
        PostgresWarehouse.load = load_anew  # type: ignore[method-assign]


def _success_on_failure(job: Job) -> None:
    """A job that failed ends like one that did not."""

    @contextmanager
    def whatever() -> Iterator[None]:
        try:
            yield
        except Exception as error:
            print(f"never mind: {error}")

    ingot.job.verdicts = whatever


def _last_writer_wins(job: Job) -> None:
    """What must be new is written without asking whether it is."""

    def put_anyway(self: ObjectStore, key: str, body: bytes) -> bool:
        self.put(key, body)
        return True

    ObjectStore.put_new = put_anyway  # type: ignore[method-assign]


def _ignore_lookback(job: Job) -> None:
    """A stream with a cursor is read on from its watermark exactly: what is said late is missed."""
    since = Stream.since

    def from_watermark(self: Stream, watermark: CursorValue | None, start_date: date) -> CursorValue:
        return since(self, None, start_date) if watermark is None else watermark

    Stream.since = from_watermark  # type: ignore[method-assign]


def _forgotten_record(job: Job) -> None:
    """The last of the records that were accepted is left out, and all counts agree on it."""
    check = Gate.check

    def all_but_one(self: Gate, body: bytes, records: list[bytes]) -> Verdict:
        verdict = check(self, body, records)
        del verdict.accepted[-1:]
        return verdict

    Gate.check = all_but_one  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[Job], None]] = {
    "manifest-first": _manifest_first,
    "random-id": _random_id,
    "success-on-failure": _success_on_failure,
    "last-writer-wins": _last_writer_wins,
    "ignore-lookback": _ignore_lookback,
    "forgotten-record": _forgotten_record,
}
