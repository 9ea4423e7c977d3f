"""What is deployed, kept for a few seconds: a page asks for it several times, each time with a dozen requests to S3."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ingot.cli import context
from ingot.console.queries import tables
from ingot.contract import Contract
from ingot.errors import IngotError
from ingot.explain import Walk, read_walk
from ingot.lineage import Graph, read_graph
from ingot.naming import Names
from ingot.sources import Source
from ingot.storage import ObjectStore
from ingot.warehouse import read_endpoint

_LOOKED = 2.0  # seconds for which nobody looks whether the sources were deployed anew
_SECONDS = 60.0  # for which what dbt's project says is kept


class Deployed:
    """Sources, the lineage graph, the walk and the tests of one environment, as they are deployed now.

    Args:
        warehouse_secret: where the warehouse is.
    """

    def __init__(self, names: Names, warehouse_secret: str) -> None:
        self._names = names
        self._secret = warehouse_secret
        self._lock = threading.RLock()
        self._kept: dict[str, tuple[float, Any]] = {}
        self._artifacts = ObjectStore(names.artifacts_bucket)
        self._sources: list[Source] = []
        self._tags: dict[str, str] = {}
        self._looked = float("-inf")

    def sources(self) -> list[Source]:
        """The sources, with the contracts that jobs enforce."""
        with self._lock:
            if time.monotonic() >= self._looked + _LOOKED:
                # One listing says whether there is anything new to read.
                tags = {each.key: each.etag for each in self._artifacts.stored("sources/")}
                if tags != self._tags:
                    self._sources = context.deployed_sources(self._names)
                    self._tags = tags
                    self._kept.pop("graph", None)
                self._looked = time.monotonic()
            return self._sources

    def contract(self, source: str, stream: str) -> Contract | None:
        """The contract of a stream; None if it is not deployed."""
        found = next((each for each in self.sources() if each.name == source), None)
        return found.streams[stream].contract if found and stream in found.streams else None

    def graph(self) -> Graph:
        """Which table is made of which."""
        # Under one lock: who has looked at the sources and then waits must not keep the graph of what they were.
        with self._lock:
            sources = self.sources()
            endpoint = self._keep("endpoint", lambda: read_endpoint(self._secret))
            found: Graph = self._keep("graph", lambda: read_graph(sources, self.project, self._names, endpoint))
            return found

    def walk(self) -> Walk:
        """Which rows are made of which."""
        found: Walk = self._keep("walk", lambda: read_walk(self.project, self._names))
        return found

    def checks(self) -> dict[str, list[tables.Check]]:
        """The tests of each table."""
        found: dict[str, list[tables.Check]] = self._keep(
            "checks", lambda: tables.read_checks(self.project, self._names)
        )
        return found

    def warm(self) -> None:
        """Read it before anybody asks; what cannot be read is told to who asks for it."""
        for read in (self.graph, self.walk, self.checks):
            with suppress(IngotError):
                read()

    @property
    def project(self) -> Path | None:
        """The folder of the dbt project; None: the one that is deployed."""
        return tables.project()

    def _keep(self, name: str, read: Callable[[], Any]) -> Any:
        with self._lock:
            until, found = self._kept.get(name, (0.0, None))
            if time.monotonic() >= until:
                found = read()
                self._kept[name] = (time.monotonic() + _SECONDS, found)
            return found
