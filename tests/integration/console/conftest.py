"""The console on a generated shop: the real app on a port, a real warehouse, and the machine's own Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.generated_shop import fill
from tests.serving import served

if TYPE_CHECKING:
    from conftest import Buckets
    from playwright.sync_api import Browser

    from ingot.warehouse import Endpoint


@dataclass(frozen=True)
class Shown:
    """A console that answers.

    Attributes:
        url: where.
        uri: the warehouse that it shows, for its owner.
    """

    url: str
    uri: str

    def value(self, sql: str) -> object:
        """One value of the warehouse."""
        with psycopg.connect(self.uri) as connection:
            row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]

    def change(self, sql: str) -> None:
        """Change the warehouse, as its owner."""
        with psycopg.connect(self.uri) as connection:
            connection.execute(sql.encode())


@pytest.fixture
def shown(warehouse_endpoint: Endpoint, buckets: Buckets) -> Iterator[Shown]:
    """A console of a shop with 400 orders, and of no batch yet."""
    from ingot.console.app import create_app
    from ingot.console.context import Console
    from ingot.console.reading import Reading
    from ingot.console.settings import Settings
    from ingot.naming import Names
    from ingot.storage import ObjectStore
    from ingot.warehouse import load_warehouse

    one = warehouse_endpoint
    uri = f"postgresql://{one.username}:{one.password}@{one.host}:{one.port}/{one.dbname}"
    load_warehouse(one).known_attempts("fakestore")  # makes the audit tables
    with psycopg.connect(uri) as connection:
        fill(connection, 400)
    console = Console(
        settings=Settings(),
        names=Names(environment="test", account="000000000000", region="us-east-1"),
        warehouse=Reading(one),
        bronze=ObjectStore(buckets.bronze),
    )
    with served(create_app(console)) as url:
        yield Shown(url, uri)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; a machine without one is told to install it.

    It is closed after each module: while it is open, Playwright's event loop runs in this thread, and no other can.
    """
    from docs.screens.shots import chromium

    with chromium() as opened:
        yield opened
