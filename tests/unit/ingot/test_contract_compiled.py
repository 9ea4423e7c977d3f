"""What a contract is compiled to besides tables: quality rules, tags, a document for other tools, a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from ingot.cli.app import app
from ingot.cli.contracts import Form
from ingot.contract import Contract, load_contract
from ingot.contract.arrow import arrow_schema
from ingot.contract.dqdl import ruleset
from ingot.contract.forms import FORMS
from ingot.contract.generated import stale, write
from ingot.contract.lftags import lf_tags, tag_values
from ingot.contract.lineage import LINEAGE
from ingot.contract.odcs import table_contract
from ingot.contract.page import contract_page
from ingot.contract.postgres import column_types
from ingot.errors import ConfigurationError
from ingot.sources import Source, Stream, load_sources
from tests.dqdl import failing, parse

ROOT = Path(__file__).resolve().parents[3]
STREAMS = [(source, stream) for source in load_sources(ROOT / "sources").values() for stream in source.streams.values()]
every_stream = pytest.mark.parametrize(
    ("source", "stream"), STREAMS, ids=[f"{source.name}.{stream.name}" for source, stream in STREAMS]
)


def field(name: str, logical: str, physical: str, options: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    options = {"logicalTypeOptions": options} if options else {}
    return {"name": name, "logicalType": logical, "physicalType": physical, **options, **more}


FIELDS = [
    field("id", "integer", "bigint", {"minimum": 1}, required=True, primaryKey=True, classification="public"),
    field("code", "string", "varchar(8)", {"minLength": 2, "pattern": "^[a-z]+$"}, required=True),
    field("price", "number", "decimal(6,2)", {"minimum": 0.5, "maximum": 99.5}, required=True),
    field("note", "string", "varchar(6)", {"pattern": "ok|fine"}, classification="personal"),
    field("rank", "integer", "smallint", {"maximum": 10}),
    field("seen", "timestamp", "timestamptz", required=True),
    field("password", "string", "varchar(64)", classification="secret"),
    field(
        "geo",
        "object",
        "object",
        properties=[field("lat", "string", "varchar(8)", {"pattern": "^-?[0-9]+$"}, required=True)],
    ),
    field(
        "lines",
        "array",
        "array",
        {"minItems": 1, "maxItems": 3},
        required=True,
        items=field(
            "line",
            "object",
            "object",
            properties=[
                field("number", "integer", "integer", {"minimum": 1}, required=True),
                field("phone", "string", "varchar(32)", classification="personal"),
                field("pin", "string", "varchar(4)", classification="secret"),
            ],
        ),
    ),
]
LIVE = {
    "id": 1,
    "code": "abc",
    "price": Decimal("9.50"),
    "note": "so ok",
    "rank": 10,
    "seen": datetime(2020, 1, 1, tzinfo=UTC),
    "geo_lat": "-12",
    "lines": [{"number": 1, "phone": None}],
}


def contract(*fields: dict[str, Any]) -> Contract:
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "urn:test:things",
        "version": "2.1.0",
        "schema": [{"name": "things", "description": "One record per thing.", "properties": list(fields or FIELDS)}],
    }
    return load_contract(yaml.safe_dump(document), origin="things.odcs.yaml")


def refined(*rows: dict[str, Any], contract: Contract) -> duckdb.DuckDBPyRelation:
    """A refined table; what a row does not say of its lineage is right."""
    whole = []
    for line, row in enumerate(rows):
        lineage = {"_batch_id": "b", "_line": line, "_ingested_at": LIVE["seen"], "_record_hash": "0" * 64}
        whole.append({**lineage, "_deleted": False, **row})
    # Without Arrow's own "not null", so that a test can break it.
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(contract)])
    return duckdb.from_arrow(pa.Table.from_pylist(whole, schema=schema))


@every_stream
def test_a_ruleset_is_dqdl(source: Source, stream: Stream) -> None:
    columns = {column for rules in parse(ruleset(stream.contract)) for rule in rules for column in rule.columns}
    assert columns == {c.name for c in stream.contract.columns} | {name for name, _, _ in LINEAGE}


def test_every_rule_holds_for_versions_deleted_keys_and_columns_without_a_value() -> None:
    things = contract()
    lacking = LIVE | {"note": None, "rank": None, "geo_lat": None}
    table = refined(LIVE, LIVE, lacking, {"id": 1, "_deleted": True}, contract=things)
    assert failing(ruleset(things), table) == []
    assert failing(ruleset(things), refined(lacking, contract=things)) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", None),
        ("id", 0),
        ("code", None),
        ("code", "a"),
        ("code", "abcdefghi"),
        ("code", "ab1"),
        ("price", None),
        ("price", Decimal("0.49")),
        ("price", Decimal("99.51")),
        ("note", "okokoko"),
        ("note", "bad"),
        ("rank", 11),
        ("seen", None),
        ("geo_lat", "north"),
        ("geo_lat", "123456789"),
        ("_line", 0),
        ("_line", -1),
        ("_batch_id", None),
        ("_ingested_at", None),
        ("_record_hash", "0" * 63),
        ("_deleted", None),
    ],
)
def test_a_value_that_breaks_the_contract_fails_the_rules_of_its_column_alone(column: str, value: Any) -> None:
    things = contract()
    broken = failing(ruleset(things), refined(LIVE, LIVE | {column: value}, contract=things))
    assert broken
    assert {name for rules in broken for rule in rules for name in rule.columns} - {"_batch_id", "_line"} <= {column}


def test_a_deleted_key_needs_its_key() -> None:
    things = contract()
    assert failing(ruleset(things), refined(LIVE, {"_deleted": True}, contract=things))


def test_a_column_that_is_gone_fails_its_rule() -> None:
    things = contract()
    table = refined(LIVE, contract=things)
    without = table.project(", ".join(f'"{name}"' for name in table.columns if name != "rank"))
    kinds = [rule.kind for rules in parse(ruleset(things)) for rule in rules if rule.columns == ("rank",)]
    exists = [
        r for rules in parse(ruleset(things)) for r in rules if (r.kind, r.columns) == ("ColumnExists", ("rank",))
    ]
    assert kinds == ["ColumnExists", "ColumnValues"]
    assert [rule.holds(table) for rule in exists] == [True]
    assert [rule.holds(without) for rule in exists] == [False]


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("^[a-z]{2}$", "^[a-z]{2}$"),
        ("[a-z]", r"[\s\S]*(?:[a-z])[\s\S]*"),
        ("^a$|^b$", r"[\s\S]*(?:^a$|^b$)[\s\S]*"),
        ("^a.b$", "(?d)^a.b$"),
        ("^a[.]b$", "^a[.]b$"),
        ('^"[a-z]"$', r"^\"[a-z]\"$"),
        (r"^\"a$", r"^\"a$"),
        (r"^a\\\$", r"[\s\S]*(?:^a\\\$)[\s\S]*"),
    ],
)
def test_a_pattern_is_searched_for_at_the_gate_and_matches_the_whole_value_in_glue(pattern: str, rule: str) -> None:
    text = ruleset(contract(FIELDS[0], field("code", "string", "varchar(8)", {"pattern": pattern}, required=True)))
    assert f'ColumnValues "code" matches "{rule}" where "_deleted = false"' in text
    parse(text)


@pytest.mark.parametrize("pattern", ["(?i)a", r"\pL", r"\Aa", "[[:alpha:]]", "a{", "[a&&b]", "[]a]", "a*", r"a\z"])
def test_a_pattern_that_glue_may_read_otherwise_is_a_comment(pattern: str) -> None:
    text = ruleset(contract(FIELDS[0], field("code", "string", "varchar(8)", {"pattern": pattern}, required=True)))
    assert "matches" not in [rule.operator for rules in parse(text) for rule in rules]
    assert [line for line in text.splitlines() if line.startswith("    # code: matches ")]


def test_what_dqdl_cannot_say_of_a_list_is_a_comment() -> None:
    (comment,) = (line for line in ruleset(contract()).splitlines() if line.startswith("    #"))
    assert comment.startswith("    # lines: required; a list of 1 to 3 items, each with number (required), phone. ")
    assert "pin" not in comment


def test_tags_follow_classifications() -> None:
    tags = lf_tags("shop", contract())
    assert tags.table == {"source": "shop", "layer": "bronze", "classification": "personal"}
    assert tags.columns["public"] == ("id",)
    assert tags.columns["personal"] == ("note", "lines")  # a list is as personal as what it holds
    named = [name for names in tags.columns.values() for name in names]
    assert sorted(named) == sorted(column_types(contract()))
    assert {key: value in tag_values(["shop"])[key] for key, value in tags.table.items()} == dict.fromkeys(
        tags.table, True
    )


@every_stream
def test_the_document_of_a_table_has_the_tables_columns(source: Source, stream: Stream) -> None:
    (table,) = yaml.safe_load(table_contract(source.name, stream.contract))["schema"]
    types = {entry["physicalName"]: entry["physicalType"] for entry in table["properties"]}
    assert types == column_types(stream.contract) | {"_load_id": "bigint"}


@every_stream
def test_every_form_is_printed(source: Source, stream: Stream) -> None:
    for name in FORMS:
        done = CliRunner().invoke(
            app, ["contract", "show", f"{source.name}.{stream.name}", "--as", name, "--sources", str(ROOT / "sources")]
        )
        assert done.exit_code == 0, done.output
        assert stream.contract.columns[-1].name in done.output
        if name in ("glue", "lf-tags"):
            json.loads(done.output)


def test_the_command_knows_every_form() -> None:
    assert list(FORMS) == [form.value for form in Form]
    sources = ["--sources", str(ROOT / "sources")]
    with pytest.raises(ConfigurationError, match="no stream 'prices'"):
        CliRunner().invoke(app, ["contract", "show", "fakestore.prices", *sources], catch_exceptions=False)
    assert CliRunner().invoke(app, ["contract", "show", "fakestore.users", "--as", "poem", *sources]).exit_code == 2


def test_a_page_shows_what_the_gate_says() -> None:
    source, stream = next(pair for pair in STREAMS if pair[1].name == "products")
    page = contract_page(source, stream)
    assert '| `"price": 0.001` | `$.price` | scale | Expected at most 2 digits after the point |' in page
    assert '| `"rate": 6` | `$.rating.rate` | maximum |' in page
    assert "| no `id` | `$.id` | required | Missing |" in page
    assert "| `rating_rate` | `rating.rate` | `numeric(3,1)` | `decimal(3,1)` | public |" in page


def test_a_page_says_what_is_cut_and_gives_it_no_column() -> None:
    source, stream = next(pair for pair in STREAMS if pair[1].name == "users")
    before, _, after = contract_page(source, stream).partition("## What becomes of it")
    assert "| cut out at the gate | `password`:" in before
    assert "`_record_hash`" in after
    assert "password" not in after


def test_every_page_is_what_its_contract_says() -> None:
    assert stale(ROOT / "sources", ROOT / "dbt", ROOT / "docs") == []


def test_a_stale_page_and_a_leftover_are_found_and_mended(tmp_path: Path) -> None:
    written = write(ROOT / "sources", tmp_path / "dbt", tmp_path / "docs")
    pages = sorted(file for file in written if file.suffix == ".md")
    assert [page.name for page in pages] == ["README.md", *sorted(f"{s.name}.{t.name}.md" for s, t in STREAMS)]
    pages[1].write_text("old")
    (pages[0].parent / "fakestore.gone.md").write_text("gone")
    folders = [str(ROOT / "sources"), "--dbt", str(tmp_path / "dbt"), "--docs", str(tmp_path / "docs")]
    check = CliRunner().invoke(app, ["contract", "compile", "--check", "--json", "--sources", *folders])
    assert (check.exit_code, [Path(f).name for f in json.loads(check.output)["stale"]]) == (
        1,
        [pages[1].name, "fakestore.gone.md"],
    )
    touched = stale(ROOT / "sources", tmp_path / "dbt", tmp_path / "docs")
    assert [file.name for file in touched] == [pages[1].name, "fakestore.gone.md"]
    done = CliRunner().invoke(app, ["contract", "compile", "--sources", *folders])
    assert (done.exit_code, done.output.count("wrote")) == (0, 2)
    assert stale(ROOT / "sources", tmp_path / "dbt", tmp_path / "docs") == []
    assert CliRunner().invoke(app, ["contract", "compile", "--check", "--sources", *folders]).exit_code == 0
