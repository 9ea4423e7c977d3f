"""Bronze tables as docs/reference/layout.md has them, filled as the load step fills them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg

LINEAGE = """_batch_id varchar(256) not null, _line bigint not null, _ingested_at timestamptz not null,
    _record_hash char(64) not null, _deleted boolean not null, _load_id bigint not null"""

TABLES = {
    "products": """id bigint, title varchar(256), price numeric(10,2), description varchar(4096), category varchar(64),
        image varchar(1024), rating_rate numeric(3,1), rating_count integer""",
    "users": """id bigint, email varchar(254), username varchar(64), name_firstname varchar(64),
        name_lastname varchar(64), phone varchar(32), address_city varchar(128), address_street varchar(128),
        address_number integer, address_zipcode varchar(16), address_geolocation_lat varchar(16),
        address_geolocation_long varchar(16), v integer""",
    "carts": "id bigint, user_id bigint, date timestamptz, products jsonb, v integer",
    "orders": """order_id bigint, event_id varchar(36), type varchar(16), occurred_at timestamptz,
        placed_at timestamptz, user_id bigint, lines jsonb""",
    "rates": "date date, base varchar(3), quote varchar(3), rate numeric(15,8)",
    "costs": "product_id bigint, valid_from date, supplier varchar(128), unit_cost numeric(10,2), currency varchar(3)",
}

COLUMNS = {"products": 8, "users": 13, "carts": 5, "rates": 4, "costs": 5, "orders": 7}
SOURCES = {"rates": "fx", "costs": "suppliers", "orders": "orders_stream"}


Record = dict[str, Any]


def table_of(stream: str) -> str:
    """Its table: a stream of which nothing else is said is Fakestore's."""
    return f"bronze.{SOURCES.get(stream, 'fakestore')}_{stream}"


def columns_of(stream: str, record: Record) -> list[Any]:
    """The values of a source record, in the order of the stream's columns."""
    if stream == "products":
        scalars = [record[name] for name in ("id", "title", "price", "description", "category", "image")]
        return [*scalars, record["rating"]["rate"], record["rating"]["count"]]
    if stream == "users":
        name, address = record["name"], record["address"]
        return [
            *(record["id"], record["email"], record["username"], name["firstname"], name["lastname"], record["phone"]),
            *(address["city"], address["street"], address["number"], address["zipcode"]),
            *(address["geolocation"]["lat"], address["geolocation"]["long"], record["__v"]),
        ]
    if stream == "rates":
        return [record[name] for name in ("date", "base", "quote", "rate")]
    if stream == "costs":
        return [record[name] for name in ("product_id", "valid_from", "supplier", "unit_cost", "currency")]
    if stream == "orders":
        names = ("order_id", "event_id", "type", "occurred_at", "placed_at", "user_id")
        return [*(record[name] for name in names), json.dumps(record["lines"])]
    lines = [{"product_id": line["productId"], "quantity": line["quantity"]} for line in record["products"]]
    return [record["id"], record["userId"], record["date"], json.dumps(lines), record["__v"]]


class Bronze:
    """The bronze schema of a warehouse that dbt is to read."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._loads: dict[str, int] = defaultdict(int)
        for schema in ("bronze", "staging", "silver", "gold"):
            connection.execute(f"drop schema if exists {schema} cascade")
        connection.execute("create schema bronze")
        # As `dbt seed` leaves it, which `dbt build` runs and `dbt run` does not.
        connection.execute("create schema staging")
        connection.execute("create table staging.reporting_currencies (currency varchar(3), name varchar(64))")
        for currency in ("USD", "EUR", "GBP"):
            connection.execute("insert into staging.reporting_currencies values (%s, %s)", [currency, currency])
        for stream, columns in TABLES.items():
            table = table_of(stream)
            connection.execute(f"create table {table} ({columns}, {LINEAGE})")
            for column in ("_load_id", "_batch_id", columns.split()[0]):
                connection.execute(f"create index on {table} ({column})")

    def deliver(
        self, stream: str, records: Iterable[Record], *, batch: str, at: str, deleted: Iterable[int] = ()
    ) -> None:
        """Load a batch, in place of what an earlier delivery of it brought; the tombstones of `deleted` come last."""
        self._loads[stream] += 1
        table = table_of(stream)
        self._connection.execute(f"delete from {table} where _batch_id = %s", [batch])
        rows = [(record, columns_of(stream, record), False) for record in records]
        empty = [None] * (COLUMNS[stream] - 1)
        rows += [({"id": key}, [key, *empty], True) for key in deleted]
        for line, (record, columns, gone) in enumerate(rows):
            record_hash = hashlib.sha256(json.dumps(record).encode()).hexdigest()
            row = [*columns, batch, line, at, record_hash, gone, self._loads[stream]]
            self._connection.execute(f"insert into {table} values ({', '.join(['%s'] * len(row))})", row)
