"""A warehouse that holds a shop: ``python -m tests.bench.filled FIRST LAST LOAD OF`` puts orders into Bronze.

Made by the server, as ten million orders from files take longer than what is measured. Orders, users and products are
as many and as spread as those of the recorded source's store of OF orders (recorded_source/synthetic.py). With load 1
the users, products, rates and costs come too, and the tables; load 0 is the next one, of as many orders after the last.
"""

from __future__ import annotations

import sys

import psycopg

from ingot.contract.postgres import create_indexes, create_table
from ingot.sources import load_source
from tests.bench.stage import ROOT
from tests.bench.warehouse import connect

STREAMS = {
    "fakestore": ("carts", "products", "users"),
    "fx": ("rates",),
    "suppliers": ("costs",),
    "orders_stream": ("orders",),
}
LINEAGE = "_batch_id, _line, _ingested_at, _record_hash, _deleted, _load_id"

PRODUCTS = f"""
    insert into bronze.fakestore_products (
        id, title, price, description, category, rating_rate, rating_count, {LINEAGE}
    )
    select n, 'Product ' || n, 10 + n %% 90, 'A product',
        (array['electronics', 'jewelery', 'men''s clothing', 'women''s clothing'])[1 + n %% 4], 3.5, 10,
        'products', n, timestamptz '2021-01-01', repeat('0', 64), false, 1
    from generate_series(1, %(products)s) as n
"""
USERS = f"""
    insert into bronze.fakestore_users (
        id, email, username, name_firstname, name_lastname, phone, address_city, address_street, address_number,
        address_zipcode, {LINEAGE}
    )
    select n, 'user' || n || '@example.org', 'user' || n, 'ada', 'abbott', '1-2-3', 'miami', 'new road', 1, '12345',
        'users', n, timestamptz '2021-01-01', repeat('0', 64), false, 1
    from generate_series(1, %(users)s) as n
"""
RATES = f"""
    insert into bronze.fx_rates (date, base, quote, rate, {LINEAGE})
    select date '2021-12-24' + n, 'USD', quote, 0.9, 'rates', n, timestamptz '2025-01-01', repeat('0', 64), false, 1
    from generate_series(1, 1500) as n, unnest(array['EUR', 'GBP']) as quote
"""
COSTS = f"""
    insert into bronze.suppliers_costs (product_id, valid_from, supplier, unit_cost, currency, {LINEAGE})
    select n, date '2021-01-01', 'A', 5, 'USD', 'costs', n, timestamptz '2021-01-01', repeat('0', 64), false, 1
    from generate_series(1, %(products)s) as n
"""
CARTS = f"""
    insert into bronze.fakestore_carts (id, user_id, date, products, v, {LINEAGE})
    select n, 1 + (hashint4(n) & 2147483647) %% %(users)s,
        timestamptz '2022-01-01' + make_interval(secs => 94694400.0 * (n - 1) / %(of)s),
        (
            select jsonb_agg(jsonb_build_object(
                'product_id', 1 + (hashint4(7 * n + line) & 2147483647) %% %(products)s, 'quantity', 1 + (n + line) %% 4
            ))
            from generate_series(
                1, (array[1, 1, 1, 2, 2, 2, 3, 3, 4, 5])[1 + (hashint4(n + 3) & 2147483647) %% 10]
            ) as line
        ),
        0, 'carts.' || %(load)s, n, timestamptz '2025-01-01' + make_interval(days => %(load)s), repeat('0', 64), false,
        %(load)s
    from generate_series(%(first)s, %(last)s) as n
"""


LAST = "select coalesce(max(_load_id), 1) + 1, coalesce(max(id), 0) from bronze.fakestore_carts"


def _main(first: int, last: int, load: int, of: int) -> None:
    with connect(cursor_factory=psycopg.ClientCursor) as connection:
        if load == 0:
            row = connection.execute(LAST).fetchone()
            assert row is not None
            load, first, last = row[0], row[1] + 1, row[1] + 1 + last - first
        numbers = {"first": first, "last": last, "load": load, "of": of}
        numbers |= {"users": 10 + of // 10, "products": min(20 + of // 100, 10_020)}
        indexes: list[str] = []
        if load == 1:
            connection.execute("create schema if not exists bronze")
            for source, streams in STREAMS.items():
                declared = load_source(ROOT / "sources" / source)
                for stream in streams:
                    contract, table = declared.stream(stream).contract, f"{source}_{stream}"
                    indexes += create_indexes(contract, table)
                    for statement in create_table(contract, table):
                        connection.execute(statement.encode())
            for statement in (PRODUCTS, USERS, RATES, COSTS):
                connection.execute(statement.encode(), numbers)
        connection.execute(CARTS.encode(), numbers)
        for statement in indexes:
            connection.execute(statement.encode())
        connection.execute("analyze")


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
