"""What dbt would send to Redshift, without one: a guard against what Redshift refuses."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ingot.batch import Batch
from ingot.contract.model import max_length
from ingot.manifest import Manifest
from ingot.sources import Stream, load_sources
from ingot.warehouse.redshift import column_types, load_statements
from tests.integration.dbt.redshift_guard import refused
from tests.integration.dbt.warehouse import PROJECT, dbt_process

STREAMS = [stream for source in load_sources(PROJECT.parent / "sources").values() for stream in source.streams.values()]
BRANCHES = {"full": "false", "increment": "true"}
INLINE = "statements around models"
# What runs beside a model's own query and is in no compiled model: hooks, the strategy of increments, and what stands
# for a Bronze table that is not there.
AROUND = """
{{ prepare_order_changes() }};
{{ log_order_changes(ref('order_lines'), ref('order_lines')) }};
{% if execute %}{{ get_incremental_replace_sql({
    'target_relation': ref('order_lines'), 'temp_relation': ref('order_lines'),
    'unique_key': 'order_id', 'dest_columns': [{'name': 'order_id'}, {'name': '_load_id'}]
}) }};{% endif %}
{{ analyze_table() }};
{{ take_turn() }};
{% if execute %}{% for source in graph.sources.values() %}
{{ no_rows(source.columns.values()) }};
{% endfor %}{% endif %}
"""

Compiled = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def compiled(dbt_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Branch → model or test → its SQL for Redshift, compiled without a database."""
    folder = tmp_path_factory.mktemp("redshift")
    every: Compiled = {}
    with dbt_process(dbt_python, "redshift", folder, {}) as dbt:
        for branch, as_increment in BRANCHES.items():
            offline = ["--no-populate-cache", "--no-introspect", "--vars", f"as_increment: {as_increment}"]
            assert dbt("compile", "--exclude", "resource_type:unit_test", *offline) == []
            files = (folder / "target" / "compiled").rglob("*.sql")
            every[branch] = {file.stem: file.read_text(encoding="utf-8") for file in files if file.is_file()}
            assert dbt("compile", "--inline", AROUND, *offline) == []
            every[branch][INLINE] = (folder / "target" / "inline.sql").read_text(encoding="utf-8")
    return every


@pytest.mark.parametrize("branch", BRANCHES)
def test_what_is_compiled_for_redshift_holds_nothing_that_redshift_refuses(compiled: Compiled, branch: str) -> None:
    assert compiled[branch].keys() >= models("staging", "silver", "gold")
    assert {name: found for name, sql in compiled[branch].items() if (found := refused(sql))} == {}


def test_both_branches_of_every_incremental_model_are_compiled(compiled: Compiled) -> None:
    same = {name for name, sql in compiled["full"].items() if compiled["increment"][name] == sql}

    assert not same & models("silver", "gold")
    assert "delete from" in compiled["increment"][INLINE]
    assert "insert into" in compiled["increment"][INLINE]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_table_that_is_not_there_has_the_types_that_loading_would_give_it(compiled: Compiled, stream: Stream) -> None:
    empty = compiled["full"][INLINE].replace("decimal(", "numeric(")
    for name, kind in column_types(stream.contract).items():
        assert f"cast(null as {kind.replace('decimal(', 'numeric(')}) as {name}" in empty


def models(*layers: str) -> set[str]:
    return {file.stem for layer in layers for file in (PROJECT / "models" / layer).rglob("*.sql")}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("select distinct on (id) id from t", "DISTINCT ON"),
        ("select count(*) filter (where x) from t", "FILTER"),
        ("insert into t select 1 on conflict do nothing", "ON CONFLICT"),
        ("delete from t returning id", "RETURNING"),
        ("select * from t, lateral (select t.id) as x", "LATERAL"),
        ("select array_agg(id) from t", "array_agg, string_agg"),
        ("select string_agg(name, ',') from t", "array_agg, string_agg"),
        ("select * from generate_series(1, 2)", "generate_series, make_date"),
        ("select make_date(2020, 1, 1)", "generate_series, make_date"),
        ("select now()", "now()"),
        ("select cast(x as jsonb) from t", "JSON, UUID, serial, bytea"),
        ("select jsonb_array_elements(x) from t", "JSON, UUID, serial, bytea"),
        ("create table t (id uuid)", "JSON, UUID, serial, bytea"),
        ("create table t (id bigserial)", "JSON, UUID, serial, bytea"),
        ("select x::text from t", "text without a length"),
        ("select cast(x as text) from t", "text without a length"),
        ("create table t (name text)", "text without a length"),
        ("select cast(x as varchar) from t", "varchar without a length"),
        ("create table t (name character varying)", "varchar without a length"),
        ("select x ->> 'a' from t", "-> and ->>"),
        ("select array[1, 2]", "ARRAY[]"),
        ("with a as materialized (select 1) select * from a", "MATERIALIZED"),
        ("select sha256(x) from t", "sha256(), encode()"),
        ("create index on t (id)", "CREATE INDEX"),
        ("select sum(x) over (order by y) from t", "an aggregate over an ordered window without a frame"),
    ],
)
def test_the_guard_finds_what_is_planted(statement: str, found: str) -> None:
    assert found in refused(f"-- nothing here\n{statement}")


@pytest.mark.parametrize(
    "statement",
    [
        "-- select now()\nselect 1 /* returning */",
        "select 'text of jsonb, now()' as note",
        "select cast(x as varchar(64)), getdate() from t",
        "select sum(x) over (order by y rows unbounded preceding), row_number() over (order by y) from t",
        "select x as texture, context from t",
    ],
)
def test_the_guard_lets_through_what_redshift_takes(statement: str) -> None:
    assert refused(statement) == []


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_what_loads_a_batch_is_redshifts_too_and_its_strings_have_the_room_that_the_contract_gives(
    stream: Stream,
) -> None:
    types = column_types(stream.contract)
    strings = {
        column.name: column.property for column in stream.contract.columns if types[column.name][:7] == "varchar"
    }

    assert strings.keys() == {c.name for c in stream.contract.columns if c.property.logical_type == "string"}
    for name, declared in strings.items():
        # A contract counts characters, Redshift bytes.
        assert types[name] == f"varchar({4 * max_length(declared)})", name
    lock, *statements = load_statements(manifest_of(stream), stream.contract, "s3://lake/x.parquet", nested=True)
    assert lock.startswith("LOCK TABLE ")  # which is Redshift's, and unknown to sqlglot
    assert len(statements) > 5
    assert {statement: found for statement in statements if (found := refused(statement))} == {}


def manifest_of(stream: Stream) -> Manifest:
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    batch = Batch(source=stream.source, stream=stream.name, interval_start=start, interval_end=end)
    times = {"interval_start": start, "interval_end": end, "as_of": end, "started_at": end, "committed_at": end}
    nothing = {"parts": [], "rejects": None, "reject_rules": {}, "requests": [], "redacted": [], "drift": []}
    about = {"batch_id": batch.id, "source": stream.source, "stream": stream.name, "mode": stream.mode}
    versions = {"contract_id": "c", "contract_version": stream.contract.version, "code_version": "0"}
    counts = {"accepted": 0, "rejected": 0, "watermark": None, "seconds": 0.0}
    return msgspec.convert({**about, **versions, **counts, **times, **nothing}, Manifest)
