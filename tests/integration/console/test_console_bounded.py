"""What a page's questions read of a warehouse, by Postgres's own count: what is few, or each of the many rows once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ingot.cli import reports
from ingot.console.queries import business as ask
from ingot.console.queries import runs
from ingot.console.queries.business import Filter
from ingot.warehouse.base import Table
from tests import generated_audit, generated_shop

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

ORDERS, LINES = 20_000, 50_000
BATCHES = 1_000  # of a stream
MANY = {"order_lines", "order_line_costs", "orders"}
"""Tables that grow with the orders."""


class Counting:
    """A warehouse that counts what its answers read.

    Attributes:
        rows: table → rows that were looked at, one after another or by an index.
        whole: tables that were read from end to end, a time each.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.rows: Counter[str] = Counter()
        self.whole: list[str] = []

    def query(self, sql: str, *, limit: int | None = None) -> Table:
        cursor = self._connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode())
        ((found,),) = cursor.fetchall()
        for node in _nodes(found[0]["Plan"]):
            if name := node.get("Relation Name"):
                removed = sum(count for key, count in node.items() if key.startswith("Rows Removed by"))
                self.rows[name] += round((node["Actual Rows"] + removed) * node["Actual Loops"])
                if node["Node Type"] == "Seq Scan":
                    self.whole.append(name)
        cursor = self._connection.execute(sql.encode())
        return Table([column.name for column in cursor.description or ()], cursor.fetchall())


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


@pytest.fixture
def connection(warehouse_endpoint: Endpoint) -> Iterator[psycopg.Connection[Any]]:
    one = warehouse_endpoint
    uri = f"postgresql://{one.username}:{one.password}@{one.host}:{one.port}/{one.dbname}"
    with psycopg.connect(uri) as opened:
        yield opened


def test_business_reads_days_for_days_and_an_order_line_once_for_who_bought_it(
    connection: psycopg.Connection[Any],
) -> None:
    generated_shop.fill(connection, ORDERS)
    can = ask.options(Counting(connection))
    assert can.first is not None
    assert can.last is not None
    every = Filter(since=can.first, until=can.last, whole=True)
    quarter = replace(every, whole=False, since=date(2025, 1, 1), until=date(2025, 3, 31))

    def read(question: Any, wanted: Filter, **more: Any) -> Counting:
        counting = Counting(connection)
        question(counting, wanted, **more)
        return counting

    # Whatever is chosen, but one country: the sums of days, of which there are no more with more orders.
    for wanted in (every, quarter, replace(every, category="category 2"), replace(quarter, currency="EUR")):
        for question in (ask.sales, ask.orders):
            assert not MANY & read(question, wanted).rows.keys(), wanted
    days = connection.execute("SELECT count(*) FROM gold.daily_products").fetchone()
    assert days is not None
    assert read(ask.sales, every).rows["daily_products"] == days[0]
    assert read(ask.sales, quarter).rows["daily_products"] < days[0] / 6

    # Customers: of all time gold's sums, of some days their lines by an index, and any line once.
    assert not MANY & read(ask.buyers, every, countries=True).rows.keys()
    assert not MANY & read(ask.buyers, replace(every, country="DE"), countries=True).rows.keys()
    some = read(ask.buyers, quarter, countries=True)
    assert some.rows["order_lines"] < LINES / 6
    assert "order_lines" not in some.whole
    assert read(ask.buyers, replace(every, currency="EUR"), countries=True).rows["order_lines"] <= LINES
    for question in (ask.sales, ask.orders):
        counting = read(question, replace(every, country="DE"))
        assert (0 < counting.rows["order_lines"] <= LINES, counting.rows["order_line_costs"]) == (True, 0)


def test_runs_read_each_batch_once_a_question_and_answer_with_a_page(connection: psycopg.Connection[Any]) -> None:
    generated_audit.fill(connection, BATCHES)
    most = BATCHES * generated_audit.STREAMS

    counting = Counting(connection)
    table, healthy = reports.status(counting)
    assert (len(table.rows), healthy) == (generated_audit.STREAMS, False)
    assert counting.rows["batches"] == most

    counting = Counting(connection)
    found, total = runs.batches(counting, source=None, stream=None, state=None, number=100)
    assert (len(found), total) == (runs.PAGE, most)
    assert counting.rows["batches"] <= 2 * most  # the page, and how many there are
    assert counting.rows["attempts"] <= 6 * 100 * runs.PAGE  # each line's by the index, up to the page and on it
