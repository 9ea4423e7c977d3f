"""Attempts: each run of a step leaves a record, so that a failure cannot look like success, or like nothing.

The record is written when the step begins (RUNNING) and again when it ends. A step that was killed leaves
RUNNING behind: not SUCCEEDED, and visible. An attempt begins before anything is read that a step needs, so that
a source file that is no YAML is on record too.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Literal

import msgspec

from ingot.batch import Batch, attempts_prefix
from ingot.errors import IngotError
from ingot.storage import ObjectStore

KILLED = "It ended without a word: killed, or its machine was lost."
State = Literal["RUNNING", "SUCCEEDED", "FAILED"]


class Attempt(msgspec.Struct, kw_only=True):
    """One run of one step for one batch. Times are UTC, ``seconds`` is how long it took so far.

    Attributes:
        error: the class of the error, with ``reason`` in words, ``transient`` if another try may help.
        rejects_key: the refused records, where the step got so far as to have some.
        number: of the step's attempts at this batch, from 1. Clocks may go back; this does not.
        resolves: the batch's.
        load_id: of a load: the number under which its rows are in the warehouse.
        waited_seconds: of an extract of what landed: how long the oldest object had waited that no batch had taken; 0
            if none waited.
    """

    batch_id: str
    source: str
    stream: str
    interval_start: datetime
    interval_end: datetime
    step: str
    state: State
    started_at: datetime
    ended_at: datetime | None = None
    seconds: float = 0.0
    error: str | None = None
    reason: str | None = None
    transient: bool | None = None
    accepted: int | None = None
    rejected: int | None = None
    rejects_key: str | None = None
    number: int = 1
    resolves: str = ""
    load_id: int | None = None
    waited_seconds: float | None = None

    @property
    def batch(self) -> Batch:
        """The batch that it was at."""
        return Batch(
            source=self.source,
            stream=self.stream,
            interval_start=self.interval_start,
            interval_end=self.interval_end,
            resolves=self.resolves,
        )

    def end_if_running(self) -> None:
        """Say what is to be said of an attempt that left no end, though it is over."""
        if self.state == "RUNNING":
            self.state, self.error, self.transient = "FAILED", "Killed", True
            self.reason = KILLED


@contextmanager
def attempt(store: ObjectStore, batch: Batch, step: str) -> Iterator[Attempt]:
    """Record one attempt at a step; the body may fill in counts. Errors pass through.

    Every :class:`IngotError` that passes learns which batch it is about.
    """
    started = datetime.now(UTC)
    clock = perf_counter()
    record = Attempt(
        batch_id=batch.id,
        source=batch.source,
        stream=batch.stream,
        interval_start=batch.interval_start,
        interval_end=batch.interval_end,
        step=step,
        state="RUNNING",
        started_at=started,
        number=_next_number(store, batch, step),
        resolves=batch.resolves,
    )
    key = batch.attempt_key(step, record.number, started, uuid.uuid4().hex[:8])
    store.put(key, msgspec.json.encode(record))
    try:
        yield record
    except BaseException as error:
        record.state = "FAILED"
        record.error = type(error).__name__
        record.reason = str(error)[:1000] or type(error).__name__
        record.transient = isinstance(error, IngotError) and error.transient
        if isinstance(error, IngotError):
            error.source, error.stream, error.batch = batch.source, batch.stream, batch.id
        raise
    else:
        record.state = "SUCCEEDED"
    finally:
        record.ended_at = datetime.now(UTC)
        record.seconds = round(perf_counter() - clock, 3)
        store.put(key, msgspec.json.encode(record))


def _next_number(store: ObjectStore, batch: Batch, step: str) -> int:
    prefix = batch.attempts_prefix(step)
    return 1 + max((int(key[len(prefix) :].partition("-")[0]) for key in store.keys(prefix)), default=0)


def list_attempts(store: ObjectStore, source: str, stream: str = "") -> Iterator[Attempt]:
    """Every attempt at the batches of a source or of one of its streams, oldest first within a batch."""
    for key in store.keys(attempts_prefix(source, stream)):
        yield msgspec.json.decode(store.get(key), type=Attempt)
