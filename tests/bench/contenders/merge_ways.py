"""The same rows into the same table, by one statement or two: ``merge_ways.py replace``, which is ours.

The strategy's SQL is rendered from ``dbt/macros/increments.sql``. Ours asks first what is newer than the newest load
that the table has seen, as each model does (``changed_keys``): where nothing is, its increment is empty.
"""

import json
import os
import sys
from time import perf_counter

from jinja2 import DictLoader, Environment

from tests.bench.loadable import connect
from tests.bench.mergeable import COLUMNS, INCREMENT, KEY, TARGET
from tests.bench.stage import ROOT

REST = [name for name in COLUMNS if name != KEY]


class Config:
    """Of a model without notes."""

    def get(self, name, otherwise=None):
        return otherwise


def increment(connection):
    """The increment that a model's query leaves for the strategy: ours, or none of it."""
    seen = f"select coalesce(max(_load_id), 0) from {TARGET} where _load_id > 0"
    if connection.execute(f"select from {INCREMENT} where _load_id > ({seen}) limit 1".encode()).fetchall():
        return INCREMENT
    connection.execute(f"create temporary table nothing (like {INCREMENT})".encode())
    return "nothing"


def replace(connection):
    relation = increment(connection)
    source = (ROOT / "dbt" / "macros" / "increments.sql").read_text("utf-8")
    jinja = Environment(loader=DictLoader({"increments": source}), extensions=["jinja2.ext.do"], autoescape=False)
    jinja.globals.update(config=Config(), get_quoted_csv=lambda names: ", ".join(f'"{name}"' for name in names))
    jinja.globals.update(analyze_increment=lambda name: f"analyze {name};")  # of dialects.sql, on Postgres
    macros = jinja.get_template("increments").module
    return macros.get_incremental_replace_sql(
        {
            "target_relation": TARGET,
            "temp_relation": relation,
            "unique_key": KEY,
            "dest_columns": [{"name": name} for name in COLUMNS],
        }
    )


def on_conflict(_):
    names = ", ".join(COLUMNS)
    news = ", ".join(f"{name} = excluded.{name}" for name in REST)
    return f"insert into {TARGET} ({names}) select {names} from {INCREMENT} on conflict ({KEY}) do update set {news}"


def merge(_):
    names = ", ".join(COLUMNS)
    values = ", ".join(f"new.{name}" for name in COLUMNS)
    news = ", ".join(f"{name} = new.{name}" for name in REST)
    return (
        f"merge into {TARGET} as old using {INCREMENT} as new on old.{KEY} = new.{KEY} "
        f"when matched then update set {news} when not matched then insert ({names}) values ({values})"
    )


def main(way):
    statements = {"replace": replace, "on conflict": on_conflict, "merge": merge}[way]
    with connect() as connection:
        begun = perf_counter()
        with connection.transaction():
            connection.execute(statements(connection).encode())
        seconds = perf_counter() - begun
        ((rows, units, loads),) = connection.execute(
            f"select count(*)::int, sum(units)::int, sum(_load_id)::int from {TARGET}".encode()
        ).fetchall()
    records = int(os.environ["BENCH_RECORDS"])
    print(json.dumps({"records": records, "rows": rows, "units": units, "loads": loads, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1])
