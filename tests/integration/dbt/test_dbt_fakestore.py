"""What the recorded shop looks like in silver and gold."""

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse

Recordings = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def shop(
    warehouse: Warehouse, recordings: Recordings, rates: list[dict[str, Any]], costs: list[dict[str, Any]]
) -> Warehouse:
    """The warehouse after one `dbt build`, tests and unit tests included, of one delivery of each stream."""
    bronze = Bronze(warehouse.connection)
    for stream in ("products", "users", "carts"):
        bronze.deliver(stream, recordings[stream], batch=f"fakestore.{stream}.1", at="2026-01-01T00:00:00Z")
    bronze.deliver("rates", rates, batch="fx.rates.1", at="2026-01-01T00:00:00Z")
    bronze.deliver("costs", costs, batch="suppliers.costs.1", at="2026-01-01T00:00:00Z")
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
        "silver.exchange_rates": 340,
        "silver.product_costs": 27,
        "silver.order_line_costs": 14,
    }


def test_revenue_by_category_is_the_golden_one(shop: Warehouse) -> None:
    revenue = dict(shop.rows("select category, revenue from gold.category_revenue"))
    assert revenue == {
        "men's clothing": Decimal("2646.44"),
        "jewelery": Decimal("1410.98"),
        "electronics": Decimal("624.00"),
        "women's clothing": Decimal("9.85"),
    }


def test_revenue_in_other_currencies_is_the_one_computed_by_hand(shop: Warehouse) -> None:
    """A holiday takes the rates of the day before, a Sunday those of Friday: the last column says which."""
    found = shop.rows("""
        select order_date::text, currency, round(sum(revenue), 2), min(rate_date)::text
        from gold.revenue_by_currency
        group by 1, 2
        order by 1, 2
    """)
    assert found == [
        ("2020-01-01", "EUR", Decimal("391.49"), "2019-12-31"),  # 439.80 / 1.1234
        ("2020-01-01", "GBP", Decimal("333.08"), "2019-12-31"),  # 439.80 / 1.1234 * 0.8508
        ("2020-01-01", "USD", Decimal("439.80"), "2019-12-31"),
        ("2020-01-02", "EUR", Decimal("2303.85"), "2020-01-02"),  # 2578.70 / 1.1193
        ("2020-01-02", "GBP", Decimal("1954.31"), "2020-01-02"),  # 2578.70 / 1.1193 * 0.84828
        ("2020-01-02", "USD", Decimal("2578.70"), "2020-01-02"),
        ("2020-03-01", "EUR", Decimal("796.88"), "2020-02-28"),  # 874.73 / 1.0977
        ("2020-03-01", "GBP", Decimal("679.85"), "2020-02-28"),  # 874.73 / 1.0977 * 0.85315
        ("2020-03-01", "USD", Decimal("874.73"), "2020-02-28"),
        ("2020-03-02", "EUR", Decimal("717.53"), "2020-03-02"),  # 798.04 / 1.1122
        ("2020-03-02", "GBP", Decimal("625.06"), "2020-03-02"),  # 798.04 / 1.1122 * 0.87113
        ("2020-03-02", "USD", Decimal("798.04"), "2020-03-02"),
    ]


def test_margins_are_those_computed_by_hand(shop: Warehouse) -> None:
    """Revenue by the recorded carts and list prices, cost by the recorded price lists: the cost of each order's day."""
    figures = "units, revenue, cost, margin, margin_rate"
    found = shop.rows(f"select product_id, {figures} from gold.product_margin order by 1")
    assert [tuple(map(str, row)) for row in found] == [
        # 2020-01-01: 4, 01-02: 10 and 03-01: 2 at 61.50; 03-02: 4 at 64.25, the first day of that cost
        ("1", "20", "2199.00", "1241.00", "958.00", "0.4357"),  # 20 * 109.95; 16 * 61.50 + 4 * 64.25 = 984 + 257
        ("2", "5", "111.50", "47.55", "63.95", "0.5735"),  # 5 * 22.30; 01-02: 4 * 9.40, 03-02: 1 * 9.95
        ("3", "6", "335.94", "166.80", "169.14", "0.5035"),  # 6 * 55.99; 6 * 27.80
        ("5", "2", "1390.00", "973.00", "417.00", "0.3000"),  # 2 * 695.00; 2 * 486.50: 499.00 begins in April
        ("7", "1", "9.99", "4.10", "5.89", "0.5896"),
        ("8", "1", "10.99", "4.75", "6.24", "0.5678"),
        ("9", "1", "64.00", "45.10", "18.90", "0.2953"),  # 43.52 ended in January
        ("10", "2", "218.00", "148.00", "70.00", "0.3211"),  # 2 * 109.00; 2 * 74.00, from the order's day on
        ("12", "3", "342.00", "231.00", "111.00", "0.3246"),  # 3 * 114.00; 3 * 77.00, which was 79.80
        ("18", "1", "9.85", "5.40", "4.45", "0.4518"),  # 5.15 ended in February
    ]
    found = shop.rows(f"select category, {figures} from gold.category_margin order by 1")
    assert [tuple(map(str, row)) for row in found] == [
        ("electronics", "6", "624.00", "424.10", "199.90", "0.3204"),  # 45.10 + 148.00 + 231.00
        ("jewelery", "4", "1410.98", "981.85", "429.13", "0.3041"),  # 973.00 + 4.10 + 4.75
        ("men's clothing", "31", "2646.44", "1455.35", "1191.09", "0.4501"),  # 1241.00 + 47.55 + 166.80
        ("women's clothing", "1", "9.85", "5.40", "4.45", "0.4518"),
    ]
    found = shop.rows("""
        select order_date, orders, units, revenue, unit_cost, cost, margin from gold.daily_products
        where product_id = 1 order by 1
    """)
    assert [tuple(map(str, row)) for row in found] == [
        ("2020-01-01", "1", "4", "439.80", "61.50", "246.00", "193.80"),
        ("2020-01-02", "1", "10", "1099.50", "61.50", "615.00", "484.50"),
        ("2020-03-01", "1", "2", "219.90", "61.50", "123.00", "96.90"),
        ("2020-03-02", "1", "4", "439.80", "64.25", "257.00", "182.80"),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(revenue), sum(units), sum(orders), count(*) from gold.daily_sales", (Decimal("4691.27"), 42, 7, 4)),
        (
            "sum(revenue), sum(units), sum(margin) from gold.daily_products",
            (Decimal("4691.27"), 42, Decimal("1824.57")),
        ),
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


def test_every_column_of_silver_and_gold_is_described_and_no_other(shop: Warehouse) -> None:
    """By dbt's own catalogue of the warehouse, which is what its documentation shows."""
    assert shop.dbt("docs", "generate", "--no-compile") == []
    there = {id: set(table["columns"]) for id, table in shop.dbt.artifact("catalog.json")["nodes"].items()}
    models = {
        id: node
        for id, node in shop.dbt.artifact("manifest.json")["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] in ("silver", "gold")
    }
    assert len(models) >= 16
    assert [id for id, node in models.items() if not node["description"]] == []
    # A whole sentence: YAML cuts one that stands in braces at its first comma.
    described = {
        id: {name for name, column in node["columns"].items() if column["description"].endswith(".")}
        for id, node in models.items()
    }
    assert described == {id: there[id] for id in models}


def test_a_second_run_with_nothing_new_changes_no_row(shop: Warehouse) -> None:
    before = shop.contents()
    assert shop.dbt("run") == []
    assert shop.contents() == before
