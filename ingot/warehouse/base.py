"""What the steps ask of a warehouse, whatever its engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ingot.attempt import Attempt
from ingot.contract import Contract
from ingot.manifest import Manifest


@dataclass(frozen=True)
class Loaded:
    """What a load did: how many rows the batch has, under which number, and whether they were there already."""

    rows: int
    load_id: int
    already: bool


@dataclass(frozen=True)
class Table:
    """The answer to a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Warehouse(Protocol):
    """One warehouse. All methods raise WarehouseUnavailable when it does not answer."""

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        """Put a batch's rows into its bronze table and its row into ``audit.batches``, in one transaction.

        A batch that is loaded already from the same manifest is left as it is.

        Args:
            load_id: the number that it had before the table was dropped; else it gets the next one.
        """
        ...

    def drop(self, source: str, streams: list[str]) -> None:
        """Drop streams' bronze tables, the views on them and their audit rows: all of it can be loaded again."""
        ...

    def known_attempts(self, source: str) -> set[str]:
        """The keys of the attempts of a source whose end is known to ``audit.attempts``."""
        ...

    def record(
        self,
        attempts: dict[str, Attempt],
        manifests: list[Manifest],
        rejects: dict[str, list[dict[str, Any]]],
    ) -> None:
        """Bring the audit tables up to date, in one transaction.

        Args:
            attempts: new ones by their key.
            manifests: of the batches that these attempts touched.
            rejects: the refused records of batches, by the key of the object in the quarantine.
        """
        ...

    def query(self, sql: str, *, limit: int | None = None) -> Table:
        """Run one statement that may read and not write."""
        ...
