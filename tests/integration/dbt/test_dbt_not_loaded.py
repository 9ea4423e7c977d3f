"""Sources that were never loaded: what is built without them, and that they take their place once they are."""

from __future__ import annotations

from typing import Any

from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import Warehouse

Record = dict[str, Any]
COLUMNS = """
    select table_schema || '.' || table_name, column_name,
        data_type, character_maximum_length, numeric_precision, numeric_scale
    from information_schema.columns
    where table_schema in ('staging', 'silver', 'gold')
    order by 1, 2
"""
AT = "2026-01-01T00:00:00Z"


def test_a_source_that_was_never_loaded_takes_nothing_from_the_others_and_takes_its_place_later(
    warehouse: Warehouse, bronze: Bronze, recordings: dict[str, list[Record]], rates: list[Record]
) -> None:
    for stream in ("products", "users", "carts"):
        bronze.deliver(stream, recordings[stream], batch=f"fakestore.{stream}.1", at=AT)
    warehouse.connection.execute("alter table bronze.fx_rates rename to later")

    problems = warehouse.dbt("build", "--exclude-resource-type", "unit_test")

    assert [problem.split(":")[0] for problem in problems if not problem.startswith("warn ")] == [
        "fail no_day_lacks_a_rate"
    ]
    for day in ("2020-01-01", "2020-01-02", "2020-03-01", "2020-03-02"):
        assert f"No rate of EUR for {day}" in warehouse.dbt.log
    assert warehouse.rows("select count(*) from silver.exchange_rates") == [(0,)]
    assert [str(sum_) for (sum_,) in warehouse.rows("select sum(revenue) from gold.daily_sales")] == ["4691.27"]
    without = warehouse.rows(COLUMNS)

    warehouse.connection.execute("alter table bronze.later rename to fx_rates")
    bronze.deliver("rates", rates, batch="fx.rates.1", at=AT)
    problems = warehouse.dbt("build", "--exclude-resource-type", "unit_test")

    assert [problem for problem in problems if not problem.startswith("warn ")] == []
    incremental = warehouse.contents()
    assert len(incremental["silver.exchange_rates"]) == len(rates)
    assert warehouse.dbt("run", "--full-refresh") == []
    assert warehouse.contents() == incremental
    assert warehouse.rows(COLUMNS) == without, "a table has the same types, whether it was made with rows or without"


def test_all_models_are_built_where_nothing_was_ever_loaded(warehouse: Warehouse, bronze: Bronze) -> None:
    warehouse.connection.execute("drop schema bronze cascade")

    assert warehouse.dbt("run") == []

    assert {table for table, rows in warehouse.contents().items() if rows} == set()
    assert len(warehouse.contents()) > 10


def test_what_dbt_remembers_of_bronze_does_not_make_a_loaded_stream_empty(
    warehouse: Warehouse, bronze: Bronze, recordings: dict[str, list[Record]]
) -> None:
    bronze.deliver("carts", recordings["carts"], batch="fakestore.carts.1", at=AT)
    said = len(warehouse.dbt.log)
    # As it is for a moment while another thread lists the schema: one table of it is in the cache, and not yet ours.
    partly = "{% do adapter.cache_added(api.Relation.create(target.dbname, 'bronze', 'another', type='table')) %}"

    problems = warehouse.dbt(
        "show", "--inline", partly + "select count(*) as n from {{ bronze('fakestore', 'carts') }}"
    )

    assert problems == []
    assert "Nothing was ever loaded" not in warehouse.dbt.log[said:]
    assert f"| {len(recordings['carts'])} |" in warehouse.dbt.log[said:]
