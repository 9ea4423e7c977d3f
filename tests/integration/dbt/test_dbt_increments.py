"""Increments: whatever arrives, and in whatever order, they leave what computing everything anew would leave."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingot.contract.postgres import create_indexes
from ingot.sources import load_source
from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import SILVER_AND_GOLD, Warehouse

Record = dict[str, Any]
Recordings = dict[str, list[Record]]

ROOT = Path(__file__).parents[3]
JANUARY, FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 5))
PRICED_LATER = "not_null_order_lines_unit_price"


def product(number: int, price: str = "10.00", category: str = "electronics") -> Record:
    """A product as the shop serves it."""
    rating = {"rate": 4.5, "count": 10}
    text = {"title": f"Product {number}", "description": "", "image": f"{number}.png"}
    return {"id": number, **text, "price": price, "category": category, "rating": rating}


def cart(number: int, user: int, date: str, **quantities: int) -> Record:
    """A cart as the shop serves it: `p3=2` orders product 3 twice."""
    lines = [{"productId": int(name[1:]), "quantity": quantity} for name, quantity in quantities.items()]
    return {"id": number, "userId": user, "date": date, "products": lines, "__v": 0}


def rate(day: str, currency: str, value: str) -> Record:
    """A rate as the source of rates serves it: so much of the currency for a euro."""
    return {"date": day, "base": "EUR", "quote": currency, "rate": value}


def steady_rates(*days: str) -> list[Record]:
    """Rates of these days, with which nothing is the matter."""
    return [rate(day, currency, value) for day in days for currency, value in (("USD", "1.25"), ("GBP", "0.75"))]


def assert_same_as_computed_anew(warehouse: Warehouse) -> None:
    incremental = warehouse.contents()
    assert warehouse.dbt("run", "--full-refresh") == []
    assert incremental == warehouse.contents()


def test_a_second_snapshot_with_changed_products_gives_each_a_second_version(
    warehouse: Warehouse, bronze: Bronze, recordings: Recordings
) -> None:
    bronze.deliver("products", recordings["products"], batch="p.1", at=JANUARY)
    history = ["--select", "+product_history"]
    assert warehouse.dbt("run", *history) == []
    bronze.deliver("products", recordings["products"], batch="p.2", at=FEBRUARY)
    assert warehouse.dbt("run", *history) == []
    assert warehouse.rows("select count(*), max(version) from silver.product_history") == [(20, 1)]
    bronze.deliver("products", recordings["products_2025"], batch="p.3", at=MARCH)
    assert warehouse.dbt("build", *history) == []
    assert warehouse.rows("""
        select count(*), count(*) filter (where is_current), min(valid_to)::date::text, max(valid_to)::date::text
        from silver.product_history
    """) == [(40, 20, "2026-03-01", "2026-03-01")]


def test_changes_corrections_and_late_arrivals_reach_gold(warehouse: Warehouse, bronze: Bronze) -> None:
    def lines() -> list[tuple[Any, ...]]:
        return warehouse.rows("select order_id, product_id, quantity, unit_price from silver.order_lines order by 1, 2")

    def days() -> dict[str, Decimal]:
        return dict(warehouse.rows("select order_date::text, revenue from gold.daily_sales"))

    # Orders come before their products: the lines are kept, and wait for a price.
    first = cart(1, 1, "2026-01-05T00:00:00Z", p1=1, p2=2)
    second = cart(2, 1, "2026-02-20T00:00:00Z", p2=1)
    bronze.deliver("carts", [first, second], batch="c.1", at=FEBRUARY)
    bronze.deliver("rates", steady_rates("2026-01-05", "2026-02-20"), batch="r.1", at=FEBRUARY)
    problems = warehouse.dbt("build", "--exclude-resource-type", "unit_test")
    assert [problem.split(":")[0] for problem in problems if PRICED_LATER in problem] == [f"warn {PRICED_LATER}"]
    assert not [problem for problem in problems if not problem.startswith("warn ")]
    assert lines() == [(1, 1, 1, None), (1, 2, 2, None), (2, 2, 1, None)]

    bronze.deliver("products", [product(1, "5.00"), product(2, "7.00")], batch="p.1", at=FEBRUARY)
    assert warehouse.dbt("run") == []
    assert lines() == [(1, 1, 1, Decimal("5.00")), (1, 2, 2, Decimal("7.00")), (2, 2, 1, Decimal("7.00"))]
    assert days() == {"2026-01-05": Decimal("19.00"), "2026-02-20": Decimal("7.00")}

    # An older snapshot comes late: it prices the order of its time, and does not become the product of today.
    bronze.deliver("products", [product(2, "6.00")], batch="p.0", at=JANUARY)
    # Order 1 is delivered again, changed: one line less, another day, another user.
    bronze.deliver("carts", [cart(1, 2, "2026-01-06T00:00:00Z", p2=3), second], batch="c.1", at=MARCH)
    assert warehouse.dbt("run") == []
    assert lines() == [(1, 2, 3, Decimal("6.00")), (2, 2, 1, Decimal("7.00"))]
    assert warehouse.rows("select price from silver.products where product_id = 2") == [(Decimal("7.00"),)]
    assert days() == {"2026-01-06": Decimal("18.00"), "2026-02-20": Decimal("7.00")}
    assert warehouse.rows("select user_id, orders from gold.customer_activity order by 1") == [(1, 1), (2, 1)]
    assert warehouse.rows("select product_id, units, revenue_rank from gold.product_performance order by 1") == [
        (1, 0, 2),
        (2, 4, 1),
    ]

    # The older snapshot is delivered again without product 2: the price that it gave is taken back.
    bronze.deliver("products", [product(1, "5.00")], batch="p.0", at=JANUARY)
    assert warehouse.dbt("run") == []
    assert lines() == [(1, 2, 3, Decimal("7.00")), (2, 2, 1, Decimal("7.00"))]
    assert days() == {"2026-01-06": Decimal("21.00"), "2026-02-20": Decimal("7.00")}

    # An older version of order 2 comes late and is passed over; the batch comes again without order 1, which goes.
    bronze.deliver("carts", [cart(2, 1, "2026-02-20T00:00:00Z", p1=9)], batch="c.0", at=JANUARY)
    bronze.deliver("carts", [second], batch="c.1", at=MARCH)
    assert warehouse.dbt("run") == []
    assert lines() == [(2, 2, 1, Decimal("7.00"))]
    assert days() == {"2026-02-20": Decimal("7.00")}
    assert warehouse.rows("select user_id from gold.customer_activity") == [(1,)]
    assert_same_as_computed_anew(warehouse)


def test_the_warehouse_itself_holds_the_keys(warehouse: Warehouse, bronze: Bronze) -> None:
    bronze.deliver("products", [product(1)], batch="p.1", at=JANUARY)
    bronze.deliver("carts", [cart(1, 1, "2026-01-01T10:00:00Z", p1=2)], batch="c.1", at=JANUARY)
    assert warehouse.dbt("run") == []
    nodes = warehouse.dbt.artifact("manifest.json")["nodes"].values()
    declared = {f"{node['schema']}.{node['name']}": node["config"]["meta"].get("key") for node in nodes}
    for (table,) in warehouse.rows(SILVER_AND_GOLD):
        found = warehouse.rows(f"""
            select attname from pg_index inner join pg_attribute on attrelid = indrelid and attnum = any(indkey)
            where indrelid = '{table}'::regclass and indisprimary
        """)
        assert sorted(name for (name,) in found) == sorted(declared[table])
    with pytest.raises(psycopg.errors.UniqueViolation):
        warehouse.connection.execute("insert into silver.order_lines select * from silver.order_lines")
    # Where a table has no such key, as one that an older version made, its rows are counted.
    warehouse.connection.execute("alter table silver.order_lines drop constraint order_lines_pkey")
    warehouse.connection.execute("insert into silver.order_lines select * from silver.order_lines")
    (failed,) = warehouse.dbt("test", "--select", "order_lines,test_name:key")
    assert failed.startswith("fail key_order_lines_order_id__line_number")


def test_the_warehouse_itself_holds_what_the_tests_say_of_a_row(warehouse: Warehouse, bronze: Bronze) -> None:
    bronze.deliver("products", [product(1, "5.00")], batch="p.1", at=JANUARY)
    bronze.deliver("carts", [cart(1, 1, "2026-01-01T10:00:00Z", p1=2)], batch="c.1", at=JANUARY)
    assert warehouse.dbt("run") == []
    wrong = "update silver.order_lines set line_total = line_total + 1"
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        warehouse.connection.execute(wrong)
    # Where a table has no such constraint, as one that an older version made, its rows are read; the next run makes it,
    # and lets go what no test says any more.
    name = refused.value.diag.constraint_name
    warehouse.connection.execute(f"alter table silver.order_lines drop constraint {name}")
    warehouse.connection.execute("alter table silver.order_lines add constraint holds_former check (quantity < 3)")
    warehouse.connection.execute(wrong)
    (failed,) = warehouse.dbt("test", "--select", "order_lines,test_name:holds")
    assert failed.startswith("fail order_lines_total_is_quantity_times_price")
    warehouse.connection.execute("update silver.order_lines set line_total = line_total - 1")
    bronze.deliver("carts", [cart(2, 1, "2026-01-02T10:00:00Z", p1=1)], batch="c.2", at=FEBRUARY)
    assert warehouse.dbt("run") == []
    constraints = "select conname from pg_constraint where conrelid = 'silver.order_lines'::regclass and contype = 'c'"
    assert warehouse.rows(constraints) == [(name,)]


WRONG = {  # what is changed by hand, and the test that sees it
    "silver.order_lines set quantity = 3, line_total = 15": "order_lines_agree_with_orders",
    "silver.order_lines set unit_price = 6, line_total = 12": "daily_sales_agree_with_order_lines",
    "gold.daily_sales set orders = orders + 1": "daily_sales_agree_with_orders",
    "gold.daily_products set units = units + 1": "daily_products_agree_with_daily_sales",
    "gold.product_performance set revenue = 11": "product_performance_agrees_with_daily_sales",
    "gold.customer_activity set orders = 2": "customer_activity_agrees_with_daily_sales",
    "gold.category_revenue set units = 3": "category_revenue_agrees_with_daily_sales",
    "gold.category_margin set units = 3": "category_margin_agrees_with_daily_sales",
    "gold.product_margin set units = 3": "product_margin_agrees_with_daily_sales",
    "gold.revenue_by_currency set units = 3": "revenue_by_currency_agrees_with_daily_sales",
}


def test_a_figure_that_no_order_bears_out_fails_by_name(warehouse: Warehouse, bronze: Bronze) -> None:
    bronze.deliver("products", [product(1, "5.00")], batch="p.1", at=JANUARY)
    bronze.deliver("carts", [cart(1, 1, "2026-01-01T10:00:00Z", p1=2)], batch="c.1", at=JANUARY)
    assert warehouse.dbt("run") == []
    tests = ("test", "--select", "test_name:agrees")
    assert warehouse.dbt(*tests) == []
    for wrong, named in WRONG.items():
        table = wrong.split()[0]
        warehouse.connection.execute(f"create table public.right_rows as table {table}")
        warehouse.connection.execute(f"update {wrong}")
        assert named in {problem.split(":")[0].removeprefix("fail ") for problem in warehouse.dbt(*tests)}, wrong
        warehouse.connection.execute(f"truncate {table}; insert into {table} table public.right_rows")
        warehouse.connection.execute("drop table public.right_rows")
    assert warehouse.dbt(*tests) == []


def test_a_price_that_comes_back_is_a_third_version(warehouse: Warehouse, bronze: Bronze) -> None:
    for batch, price, at in [("p.1", "1.00", JANUARY), ("p.3", "1.00", MARCH), ("p.2", "2.00", FEBRUARY)]:
        bronze.deliver("products", [product(1, price)], batch=batch, at=at)
        assert warehouse.dbt("run", "--select", "+product_history") == []
    assert warehouse.rows("""
        select version, price::text, valid_from::date::text, valid_to::date::text, is_current
        from silver.product_history order by version
    """) == [
        (1, "1.00", "2026-01-01", "2026-02-01", False),
        (2, "2.00", "2026-02-01", "2026-03-01", False),
        (3, "1.00", "2026-03-01", None, True),
    ]


def test_what_the_shop_no_longer_has_is_kept_until_it_returns_and_its_orders_do_not_count(
    warehouse: Warehouse, bronze: Bronze, recordings: Recordings
) -> None:
    def gone(table: str, key: str) -> list[tuple[Any, ...]]:
        return warehouse.rows(f"select {key}, deleted_at::date::text from silver.{table} where deleted_at is not null")

    users = recordings["users"][:2]
    bronze.deliver("users", users, batch="u.1", at=JANUARY)
    bronze.deliver("products", [product(1, "5.00"), product(2, "7.00")], batch="p.1", at=JANUARY)
    first, second = cart(1, 1, "2026-01-05T00:00:00Z", p1=1), cart(2, 1, "2026-02-20T00:00:00Z", p1=2, p2=1)
    bronze.deliver("carts", [first, second], batch="c.1", at=JANUARY)
    bronze.deliver("rates", steady_rates("2026-01-05", "2026-02-20"), batch="r.1", at=JANUARY)
    assert warehouse.dbt("run") == []

    # Batches that bring nothing but tombstones; some keys were never there.
    bronze.deliver("users", [], batch="u.2", at=FEBRUARY, deleted=[1, 2, 99])
    bronze.deliver("products", [], batch="p.2", at=FEBRUARY, deleted=[1, 99])
    bronze.deliver("carts", [], batch="c.2", at=FEBRUARY, deleted=[1, 99])
    assert not [p for p in warehouse.dbt("build", "--exclude-resource-type", "unit_test") if not p.startswith("warn ")]
    assert gone("users", "user_id") == gone("addresses", "user_id") == [(1, "2026-02-01"), (2, "2026-02-01")]
    assert gone("products", "product_id") == [(1, "2026-02-01")]
    assert gone("orders", "order_id") == [(1, "2026-02-01")]
    # Order 1 is no revenue any more. Order 2 is from a time when product 1 was gone: it has the last price.
    assert warehouse.rows("select order_id, product_id, unit_price from silver.order_lines order by 1, 2") == [
        (2, 1, Decimal("5.00")),
        (2, 2, Decimal("7.00")),
    ]
    assert warehouse.rows("select order_date::text, revenue from gold.daily_sales") == [
        ("2026-02-20", Decimal("17.00"))
    ]
    # User 2 is gone and never ordered; user 1 is gone and did.
    assert warehouse.rows("select user_id, orders, revenue from gold.customer_activity") == [(1, 1, Decimal("17.00"))]
    assert warehouse.rows("select product_id, is_listed from gold.product_performance order by 1") == [
        (1, False),
        (2, True),
    ]
    assert warehouse.rows("select products_listed, products_sold from gold.category_revenue") == [(1, 2)]
    before = warehouse.contents()
    assert warehouse.dbt("run") == []
    assert warehouse.contents() == before

    # All come back, the product at the old price; a replay of March comes late, of what April's snapshot has newer.
    bronze.deliver("users", users, batch="u.4", at=APRIL)
    bronze.deliver("products", [product(1, "5.00")], batch="p.4", at=APRIL)
    bronze.deliver("carts", [cart(1, 1, "2026-01-05T00:00:00Z", p1=3)], batch="c.4", at=APRIL)
    bronze.deliver("products", [product(1, "4.00")], batch="p.3.resolve-0123456789abcdef", at=MARCH)
    bronze.deliver("carts", [cart(1, 2, "2026-01-05T00:00:00Z", p2=9)], batch="c.3.resolve-0123456789abcdef", at=MARCH)
    problems = warehouse.dbt("build", "--exclude-resource-type", "unit_test")
    assert not [problem for problem in problems if not problem.startswith("warn ")]
    assert [gone(table, "*") for table in ("users", "addresses", "products", "orders")] == [[]] * 4
    assert warehouse.rows(
        "select order_id, product_id, quantity, unit_price from silver.order_lines order by 1, 2"
    ) == [
        (1, 1, 3, Decimal("5.00")),
        (2, 1, 2, Decimal("5.00")),
        (2, 2, 1, Decimal("7.00")),
    ]
    assert warehouse.rows("""
        select version, price::text, valid_from::date::text, valid_to::date::text, is_current
        from silver.product_history where product_id = 1 order by version
    """) == [
        (1, "5.00", "2026-01-01", "2026-02-01", False),
        (2, "4.00", "2026-03-01", "2026-04-01", False),
        (3, "5.00", "2026-04-01", None, True),
    ]
    assert_same_as_computed_anew(warehouse)


def test_a_tombstone_that_comes_late_parts_what_was_one_version(warehouse: Warehouse, bronze: Bronze) -> None:
    """And the orders since the product's return have the lineage of the record that brought it back."""
    bronze.deliver("products", [product(1, "5.00"), product(2)], batch="p.1", at=JANUARY)
    bronze.deliver("products", [product(1, "5.00"), product(2, "6.00")], batch="p.3", at=MARCH)
    orders = [cart(1, 1, "2026-01-05T00:00:00Z", p1=1), cart(2, 1, "2026-03-20T00:00:00Z", p1=1, p2=1)]
    bronze.deliver("carts", orders, batch="c.1", at=APRIL)
    assert warehouse.dbt("run") == []
    prices = "select order_id, _price_batch_id from silver.order_lines where product_id = 1 order by 1"
    assert warehouse.rows(prices) == [(1, "p.1"), (2, "p.1")]
    bronze.deliver("products", [], batch="p.2", at=FEBRUARY, deleted=[1])
    assert warehouse.dbt("run") == []
    assert warehouse.rows(prices) == [(1, "p.1"), (2, "p.3")]
    assert_same_as_computed_anew(warehouse)


def test_increments_in_any_order_give_what_a_full_refresh_gives(
    warehouse: Warehouse, bronze: Bronze, recordings: Recordings
) -> None:
    chance = random.Random(7)
    numbers = iter(range(1, 100))
    snapshots: list[tuple[str, str, str]] = []

    def some(stream: str) -> list[Record]:
        """Products, users or carts as they may look at some time."""
        if stream == "products":
            categories = ["electronics", "jewelery", "toys"]
            records = [product(n, f"{chance.randint(1, 3)}.00", chance.choice(categories)) for n in range(1, 7)]
        elif stream == "users":
            records = list(recordings["users"])
        else:
            records = [
                cart(
                    number,
                    chance.randint(1, 12),
                    f"2026-{chance.randint(1, 3):02}-{chance.randint(1, 28):02}T12:00:00Z",
                    **{f"p{chance.randint(1, 8)}": chance.randint(1, 5) for _ in range(chance.randint(1, 3))},
                )
                for number in range(1, 9)
            ]
        return chance.sample(records, chance.randint(1, len(records)))

    def deliver_something() -> None:
        """A batch that is new, late or delivered again, a snapshot with tombstones, or a replay of one."""
        stream = chance.choice(["products", "users", "carts", "carts"])
        records = some(stream)
        keys = [record["id"] for record in records]
        kind = chance.choice(["interval", "snapshot", "snapshot", "replay"])
        if kind == "interval":
            at = f"2026-01-{chance.randint(1, 28):02}T00:00:00Z"
            bronze.deliver(stream, records, batch=f"{stream}.{chance.randint(1, 4)}", at=at)
        elif kind == "snapshot" or not snapshots:
            # What continues a stream is delivered once, and no two of its batches are of one time.
            number = next(numbers)
            batch, at = f"{stream}.s{number}", f"2026-01-{chance.randint(1, 28):02}T01:{number:02}:00Z"
            gone = [key for key in range(1, 13) if key not in keys and chance.random() < 0.5]
            bronze.deliver(stream, records[: chance.randint(0, len(records))], batch=batch, at=at, deleted=gone)
            snapshots.append((stream, batch, at))
        else:
            stream, batch, at = snapshots.pop()
            bronze.deliver(stream, some(stream), batch=f"{batch}.resolve-0123456789abcdef", at=at)

    for _ in range(5):
        for _ in range(4):
            deliver_something()
        assert warehouse.dbt("run") == []
    assert warehouse.rows("select count(*) > 0 from silver.orders where deleted_at is not null") == [(True,)]
    assert_same_as_computed_anew(warehouse)


def test_a_missing_rate_fails_by_name_and_a_late_or_corrected_one_reaches_gold(
    warehouse: Warehouse, bronze: Bronze
) -> None:
    def pounds() -> dict[str, tuple[Decimal | None, str | None]]:
        found = warehouse.rows(
            "select order_date::text, revenue, rate_date::text from gold.revenue_by_currency where currency = 'GBP'"
        )
        return {day: (revenue, of) for day, revenue, of in found}

    def build() -> list[str]:
        done = warehouse.dbt("build", "--exclude-resource-type", "unit_test")
        return [problem.split(":")[0] for problem in done if not problem.startswith("warn ")]

    friday, sunday, later = "2026-01-02", "2026-01-04", "2026-01-20"
    carts = [cart(n, 1, f"{day}T12:00:00Z", p1=n) for n, day in enumerate((friday, sunday, later), 1)]
    bronze.deliver("products", [product(1, "10.00")], batch="p.1", at=JANUARY)
    bronze.deliver("carts", carts, batch="c.1", at=JANUARY)
    bronze.deliver("rates", steady_rates("2025-12-31"), batch="r.1", at=JANUARY)
    assert build() == ["fail no_day_lacks_a_rate"]
    assert "No rate of GBP for 2026-01-20, nor for the 6 days before." in warehouse.dbt.log
    assert pounds() == {
        friday: (Decimal("6.0000"), "2025-12-31"),
        sunday: (Decimal("12.0000"), "2025-12-31"),
        later: (None, None),
    }

    # What was late comes: Friday's rates, and those of the day that had none.
    late = [rate(friday, "USD", "1.00"), rate(friday, "GBP", "0.50"), *steady_rates(later)]
    bronze.deliver("rates", late, batch="r.2", at=FEBRUARY)
    assert build() == []
    assert pounds() == {
        friday: (Decimal("5.0000"), friday),
        sunday: (Decimal("10.0000"), friday),
        later: (Decimal("18.0000"), later),
    }

    # One is corrected, and an order that comes late falls on a day whose rates were there long before.
    bronze.deliver("rates", [rate(friday, "GBP", "0.60")], batch="r.3", at=MARCH)
    bronze.deliver("carts", [cart(4, 1, "2026-01-01T00:00:00Z", p1=1)], batch="c.2", at=MARCH)
    assert build() == []
    assert pounds() == {
        "2026-01-01": (Decimal("6.0000"), "2025-12-31"),
        friday: (Decimal("6.0000"), friday),
        sunday: (Decimal("12.0000"), friday),
        later: (Decimal("18.0000"), later),
    }

    # Another list of currencies.
    warehouse.rows("delete from staging.reporting_currencies where currency = 'GBP' returning 1")
    assert warehouse.dbt("run") == []
    assert pounds() == {}
    assert_same_as_computed_anew(warehouse)


def test_an_increment_reads_what_is_new_and_not_what_is_stored(warehouse: Warehouse, bronze: Bronze) -> None:
    """All that is stored came in one batch: from it the planner would learn that a batch is the whole table."""
    stored = 100_000
    models = ["run", "--select", "+order_lines", "daily_sales"]
    tables = ("bronze.fakestore_carts", "silver.orders", "silver.order_lines")
    bronze.deliver("products", [product(1)], batch="p.1", at=JANUARY)
    bronze.deliver("carts", [cart(stored, 1, "2026-01-31T00:00:00Z", p1=2)], batch="c.1", at=JANUARY)
    warehouse.connection.execute(
        """
        insert into bronze.fakestore_carts
        select n, 1, timestamptz '2022-01-01Z' + n * interval '15 minutes', '[{"product_id": 1, "quantity": 2}]',
            0, 'c.1', n, timestamptz '2026-01-01Z', repeat('0', 64), false, 1
        from generate_series(1, %s - 1) as n
        """,
        [stored],
    )
    for statement in create_indexes(
        load_source(ROOT / "sources" / "fakestore").stream("carts").contract, "fakestore_carts"
    ):
        warehouse.connection.execute(statement.encode())
    warehouse.connection.execute("analyze bronze.fakestore_carts")
    assert warehouse.dbt(*models) == []
    read = rows_read(warehouse, tables)

    new = [cart(stored + number, 1, "2026-02-01T00:00:00Z", p1=2) for number in range(1, 101)]
    bronze.deliver("carts", new, batch="c.2", at=FEBRUARY)
    assert warehouse.dbt(*models) == []

    more = {table: number - read[table] for table, number in rows_read(warehouse, tables).items()}
    assert all(number < stored / 10 for number in more.values()), more
    assert warehouse.rows("select count(*), sum(units) from silver.orders") == [(stored + 100, 2 * (stored + 100))]
    assert warehouse.rows("select count(*) from gold.daily_sales where order_date >= '2026-02-01'") == [(1,)]


def rows_read(warehouse: Warehouse, tables: tuple[str, ...]) -> dict[str, int]:
    """How many rows of these tables were read so far, by one after the other and by an index."""
    warehouse.connection.execute("select pg_stat_force_next_flush()")  # what this session itself has read, too
    return {
        table: int(number)
        for table, number in warehouse.rows(
            """
            select schemaname || '.' || relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
            from pg_stat_user_tables
            """
        )
        if table in tables
    }


def test_the_index_of_what_is_rare_leaves_out_all_else(warehouse: Warehouse, bronze: Bronze) -> None:
    bronze.deliver("carts", [cart(1, 1, "2026-01-05T00:00:00Z", p1=1)], batch="c.1", at=JANUARY)
    assert warehouse.dbt("run", "--select", "+orders") == []

    indexes = dict(
        warehouse.rows(
            "select substring(indexdef from '\\((\\w+)\\)'), indexdef from pg_indexes where tablename = 'orders'"
        )
    )

    assert {column for column, definition in indexes.items() if "WHERE" in definition} == {
        "_event_load_id",
        "_deleted_load_id",
        "_deleted_event_load_id",
    }
    assert {"order_id", "_load_id", "_batch_id"} < indexes.keys()
