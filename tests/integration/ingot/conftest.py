"""A world for the steps: the recorded source, buckets and a warehouse of one test's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.contract import Contract
from ingot.manifest import Manifest
from ingot.quarantine import resolving_batch
from ingot.sources import RequestPolicy, Source, load_source
from ingot.steps.audit import audit
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.steps.resolve import Resolved, resolve
from ingot.storage import ObjectStore
from ingot.warehouse import Warehouse, load_warehouse
from ingot.warehouse.base import Loaded

if TYPE_CHECKING:
    from conftest import Buckets
    from recorded_source.source import RecordedSource

    from ingot.warehouse import Endpoint

ROOT = Path(__file__).resolve().parents[3]
AS_OF = datetime(2020, 4, 1, 6, tzinfo=UTC)


@dataclass
class World:
    """All that the steps need, and the steps in one call each."""

    source: Source
    bronze: ObjectStore
    lake: ObjectStore
    warehouse: Warehouse
    recorded: RecordedSource

    def batch(self, stream: str, start: str = "2020-01-01", end: str = "2020-04-01") -> Batch:
        return Batch(
            source=self.source.name,
            stream=stream,
            interval_start=datetime.fromisoformat(start).replace(tzinfo=UTC),
            interval_end=datetime.fromisoformat(end).replace(tzinfo=UTC),
        )

    def extract(self, batch: Batch, as_of: datetime = AS_OF) -> Manifest:
        with attempt(self.bronze, batch, "extract") as record:
            return extract(batch, source=self.source, bronze=self.bronze, as_of=as_of, record=record)

    def refine(self, batch: Batch, contract: Contract | None = None) -> str:
        contract = contract or self.source.stream(batch.stream).contract
        with attempt(self.bronze, batch, "refine") as record:
            return refine(batch, contract=contract, bronze=self.bronze, lake=self.lake, record=record)

    def load(self, batch: Batch, contract: Contract | None = None) -> Loaded:
        contract = contract or self.source.stream(batch.stream).contract
        with attempt(self.bronze, batch, "load") as record:
            return load(
                batch, contract=contract, bronze=self.bronze, lake=self.lake, warehouse=self.warehouse, record=record
            )

    def run(self, batch: Batch, as_of: datetime = AS_OF) -> Manifest:
        manifest = self.extract(batch, as_of)
        self.refine(batch)
        self.load(batch)
        return manifest

    def resolve(
        self, key: str, *, action: Literal["replay", "discard"] = "replay", contract: Contract | None = None, **how: str
    ) -> Resolved:
        batch = resolving_batch(key)
        contract = contract or self.source.stream(batch.stream).contract
        with attempt(self.bronze, batch, action) as record:
            return resolve(key, action=action, contract=contract, bronze=self.bronze, record=record, **how)

    def change(self, stream: str, **parts: Any) -> None:
        """Declare a stream otherwise than source.yaml does."""
        changed = msgspec.structs.replace(self.source.stream(stream), **parts)
        self.source = msgspec.structs.replace(self.source, streams=self.source.streams | {stream: changed})

    def audit(self) -> None:
        audit("fakestore", bronze=self.bronze, warehouse=self.warehouse)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.warehouse.query(sql).rows


@pytest.fixture
def world(
    buckets: Buckets, warehouse_endpoint: Endpoint, recorded: RecordedSource, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", recorded.url)
    source = load_source(ROOT / "sources" / "fakestore")
    impatient = RequestPolicy(timeout_seconds=0.5, attempts=2, deadline_seconds=5)
    return World(
        source=msgspec.structs.replace(source, request=impatient),
        bronze=ObjectStore(buckets.bronze),
        lake=ObjectStore(buckets.lake),
        warehouse=load_warehouse(warehouse_endpoint),
        recorded=recorded,
    )
