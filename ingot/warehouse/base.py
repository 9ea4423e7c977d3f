"""What the steps ask of a warehouse, whatever its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ingot.attempt import Attempt
from ingot.contract import Contract
from ingot.manifest import Manifest

Rejects = Iterable[tuple[str, Iterable[dict[str, Any]]]]
"""Keys of objects of the quarantine, each with its refused records, which nobody holds all at once."""


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


class Loader(Protocol):
    """What batches are loaded into."""

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        """Put a batch's rows into its bronze table and its row into ``audit.batches``, in one transaction.

        A batch that is loaded already from the same manifest is left as it is.

        Args:
            load_id: the number that it has in a rebuild; else it gets the next one.

        Raises:
            WarehouseUnavailable: nothing was published.
            IntegrityError: the Parquet is not of this manifest and contract, or the table does not hold its values.
        """
        ...


class Queries(Protocol):
    """What can be asked."""

    def query(self, sql: str, *, limit: int | None = None) -> Table:
        """Run one statement that may read and not write."""
        ...


class Warehouse(Loader, Queries, Protocol):
    """One warehouse. All methods raise WarehouseUnavailable when it does not answer."""

    def rebuilding(self, source: str, streams: list[str]) -> AbstractContextManager[Loader]:
        """New tables for some streams, to load all of their batches into, each under a number.

        When the block ends, they take the place of the old ones in one transaction, with the rows of
        ``audit.batches``; views on the old ones and the other audit rows go, as all that can be made again. When it
        fails, the old ones stay as they were.

        Raises:
            WarehouseUnavailable: another rebuild of the source is under way, or a batch was loaded meanwhile.
        """
        ...

    def turn(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """While the block runs, no other dbt does that is started so: its tests would find models of two runs.

        ``dbt/turn.py`` takes the same lock. Redshift has none, and lets everyone in.

        Args:
            waiting: called if another one runs, before its end is waited for.
        """
        ...

    def known_attempts(self, source: str) -> set[str]:
        """The keys of the attempts of a source whose end is known to ``audit.attempts``."""
        ...

    def record(
        self,
        attempts: dict[str, Attempt],
        manifests: list[Manifest],
        rejects: Rejects,
    ) -> None:
        """Bring the audit tables up to date, in one transaction.

        Args:
            attempts: new ones by their key.
            manifests: of the batches that these attempts touched.
            rejects: read once, in its order, within the transaction.
        """
        ...

    def billed_seconds(self, source: str, interval: str, *, others: int) -> dict[str, int]:
        """What Glue bills for the steps of a source's runs, by interval, as ``audit.attempts`` has them.

        Args:
            interval: one of them, as in the id of its batches.
            others: how many of the newest others.
        """
        ...
