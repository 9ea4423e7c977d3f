"""``python -m tests.bench.mergeable ROWS AGAIN``: a table like silver's orders, and an increment for it.

Half of the increment's rows are of orders that the table has. AGAIN is 1 where it has them all, as they are.
"""

from __future__ import annotations

import sys

KEY, TARGET, INCREMENT = "order_id", "bench_silver.orders", "bench_silver.increment"
# As dbt/models/silver/orders.sql has them.
_COLUMNS = {
    "order_id": "bigint",
    "user_id": "bigint",
    "line_count": "bigint",
    "units": "bigint",
    "ordered_at": "timestamptz",
    "order_date": "date",
    "deleted_at": "timestamptz",
    "_batch_id": "varchar(256)",
    "_line": "bigint",
    "_ingested_at": "timestamptz",
    "_load_id": "bigint",
    "_event_load_id": "bigint",
    "_deleted_batch_id": "varchar(256)",
    "_deleted_line": "bigint",
    "_deleted_load_id": "bigint",
    "_deleted_event_load_id": "bigint",
}
COLUMNS = list(_COLUMNS)
_INDEXED = ("_load_id", "_batch_id")
_RARE = ("_event_load_id", "_deleted_load_id", "_deleted_event_load_id")


def rows(first: int, last: int, load: int) -> str:
    """A query of orders as one load brought them."""
    return (
        f"select i, i % 1000, 1 + i % 5, {load} * 10 + i % 7, timestamptz '2026-01-01Z' + i * interval '1 s', "
        f"date '2026-01-01', null::timestamptz, 'fakestore.carts.20260101T000000Z.2026010{load}T000000Z', i, "
        f"timestamptz '2026-01-0{load}Z', {load}, null::bigint, null, null::bigint, null::bigint, null::bigint "
        f"from generate_series({first}, {last}) as i"
    )


def expected(size: int) -> dict[str, int]:
    """What the table holds after the increment of so many rows: ``size`` were there, and half of them are changed."""
    old = range(1, size // 2 + 1)
    new = range(size // 2 + 1, size // 2 + size + 1)
    units = sum(10 + i % 7 for i in old) + sum(20 + i % 7 for i in new)
    return {"rows": len(old) + len(new), "units": units, "loads": len(old) + 2 * len(new)}


def _main(size: int, *, again: bool) -> None:
    from tests.bench.loadable import connect  # large, and what the stage reads here is not

    definition = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    first, last = size // 2 + 1, size // 2 + size
    with connect() as connection:
        for statement in (
            "drop schema if exists bench_silver cascade",
            "create schema bench_silver",
            f"create table {TARGET} ({definition})",
            f"create unlogged table {INCREMENT} ({definition})",
            f"insert into {INCREMENT} {rows(first, last, 2)}",
            f"insert into {TARGET} {rows(1, size // 2 if again else size, 1)}",
            f"insert into {TARGET} {rows(first, last, 2)}" if again else "select",
            f"alter table {TARGET} add primary key ({KEY})",
            *(f"create index on {TARGET} ({name})" for name in _INDEXED),
            *(f"create index on {TARGET} ({name}) where {name} > 0" for name in _RARE),
            f"analyze {INCREMENT}",
            f"vacuum (analyze) {TARGET}",
            "checkpoint",
        ):
            connection.execute(statement.encode())


if __name__ == "__main__":
    _main(int(sys.argv[1]), again=sys.argv[2] == "1")
