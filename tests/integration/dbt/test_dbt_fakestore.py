"""What the recorded shop looks like in silver and gold."""

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse

Recordings = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def shop(warehouse: Warehouse, recordings: Recordings) -> Warehouse:
    """The warehouse after one `dbt build`, tests and unit tests included, of one delivery of each stream."""
    bronze = Bronze(warehouse.connection)
    for stream in ("products", "users", "carts"):
        bronze.deliver(stream, recordings[stream], batch=f"fakestore.{stream}.1", at="2026-01-01T00:00:00Z")
    assert warehouse.dbt("build") == []
    return warehouse


def test_silver_holds_the_recorded_shop(shop: Warehouse) -> None:
    counts = {table: len(rows) for table, rows in shop.contents().items() if table.startswith("silver.")}
    assert counts == {
        "silver.products": 20,
        "silver.users": 10,
        "silver.addresses": 10,
        "silver.orders": 7,
        "silver.order_lines": 14,
        "silver.product_history": 20,
    }


def test_revenue_by_category_is_the_golden_one(shop: Warehouse) -> None:
    revenue = dict(shop.rows("select category, revenue from gold.category_revenue"))
    assert revenue == {
        "men's clothing": Decimal("2646.44"),
        "jewelery": Decimal("1410.98"),
        "electronics": Decimal("624.00"),
        "women's clothing": Decimal("9.85"),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(revenue), sum(units), sum(orders), count(*) from gold.daily_sales", (Decimal("4691.27"), 42, 7, 4)),
        (
            "sum(revenue), sum(units), count(*) filter (where orders > 0), count(*) from gold.product_performance",
            (Decimal("4691.27"), 42, 10, 20),
        ),
        (
            "sum(revenue), sum(units), count(*) filter (where orders > 0), count(*) from gold.customer_activity",
            (Decimal("4691.27"), 42, 5, 10),
        ),
        (
            "sum(revenue), sum(units), sum(products_sold), sum(products_listed) from gold.category_revenue",
            (Decimal("4691.27"), 42, 10, 20),
        ),
        ("product_id, revenue_rank, buyers from gold.product_performance where revenue_rank = 1", (1, 1, 3)),
        (
            "first_order_date::text, last_order_date::text, average_days_between_orders from gold.customer_activity"
            " where user_id = 1",
            ("2020-01-02", "2020-03-02", Decimal("60.00")),
        ),
    ],
)
def test_gold_agrees_with_the_recordings(shop: Warehouse, query: str, expected: tuple[Any, ...]) -> None:
    assert shop.rows(f"select {query}") == [expected]


def test_no_title_ends_in_a_space(shop: Warehouse, recordings: Recordings) -> None:
    assert sum(product["title"] != product["title"].strip() for product in recordings["products"]) == 5
    assert shop.rows("select title from silver.products where title <> trim(title)") == []


def test_no_recorded_personal_data_is_left_beyond_staging(shop: Warehouse, recordings: Recordings) -> None:
    tables = ("silver.users", "silver.addresses", "silver.orders", "gold.customer_activity")
    values = [str(value).lower() for table in tables for row in shop.rows(f"select * from {table}") for value in row]
    everything = "\n".join(line.lower() for lines in shop.contents().values() for line in lines)
    for user in recordings["users"]:
        address = user["address"]
        for secret in (user["email"], user["username"], user["phone"], address["street"], address["zipcode"]):
            assert secret.lower() not in everything
        for secret in (*user["name"].values(), *address["geolocation"].values(), str(address["number"])):
            assert secret not in values


def test_a_second_run_with_nothing_new_changes_no_row(shop: Warehouse) -> None:
    before = shop.contents()
    assert shop.dbt("run") == []
    assert shop.contents() == before
