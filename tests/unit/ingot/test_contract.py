"""Contracts: what is read from them, what is refused, and what is compiled from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingot.contract import load_contract, read_contract
from ingot.contract.generated import stale, write
from ingot.contract.glue import glue_columns
from ingot.contract.model import snake_case
from ingot.contract.postgres import column_types
from ingot.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
CARTS = ROOT / "sources" / "fakestore" / "carts.odcs.yaml"


def contract_with(old: str, new: str) -> None:
    text = CARTS.read_text()
    assert old in text
    load_contract(text.replace(old, new, 1), origin="carts.odcs.yaml")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("minimum: 1", "multipleOf: 2", "multipleOf"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", r"v3\.1\.0 is read"),
        ("kind: DataContract", "kind: DataProduct", "kind"),
        ("value: 0.1", "value: 10", "share from 0 to 1"),
        ("value: 0.1", "value: 'many'", "share from 0 to 1"),
        ("        primaryKey: true\n", "", "primaryKey"),
        ("physicalType: bigint", "physicalType: text", "integer"),
        ("logicalType: timestamp", "logicalType: moment", "moment"),
        ("logicalType: timestamp", "logicalType: string", "size"),
        ("logicalType: timestamp", "logicalType: number", "decimal"),
        ("name: userId", "name: id_", "same column"),
        ("name: userId", "name: Id", "capitals"),
        ("schema:", "schemata:", "schema"),
        ("kind: DataContract", "kind: [", r"carts\.odcs\.yaml:\d+:\d+ cannot be read"),
    ],
)
def test_a_contract_that_cannot_be_enforced_whole_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        contract_with(old, new)


@pytest.mark.parametrize(
    ("name", "column"), [("userId", "user_id"), ("__v", "v"), ("URL2Path", "url2_path"), ("a-b c", "a_b_c")]
)
def test_columns_are_snake_case(name: str, column: str) -> None:
    assert snake_case(name) == column


def test_secret_fields_have_no_column_anywhere() -> None:
    users = read_contract(ROOT / "sources" / "fakestore" / "users.odcs.yaml")
    assert users.secrets == {"password"}
    names = [c.name for c in glue_columns(users)] + list(column_types(users))
    assert not any("password" in name for name in names)


def test_the_warehouse_and_the_catalog_have_the_same_columns_in_the_same_order() -> None:
    for file in sorted((ROOT / "sources").glob("*/*.odcs.yaml")):
        contract = read_contract(file)
        assert [c.name for c in glue_columns(contract)] == list(column_types(contract))


def test_types_follow_the_contract() -> None:
    assert column_types(read_contract(CARTS)) == {
        "id": "bigint",
        "user_id": "bigint",
        "date": "timestamptz",
        "products": "jsonb",
        "v": "integer",
        "_batch_id": "varchar(256)",
        "_line": "bigint",
        "_ingested_at": "timestamptz",
        "_record_hash": "char(64)",
        "_deleted": "boolean",
    }
    hive = {c.name: c.type for c in glue_columns(read_contract(CARTS))}
    assert hive["products"] == "array<struct<product_id:bigint,quantity:int>>"


def test_generated_files_are_what_the_contracts_say() -> None:
    assert stale(ROOT / "sources", ROOT / "dbt") == []


def test_a_stale_file_and_a_leftover_are_found_and_mended(tmp_path: Path) -> None:
    sources, streams = (len(list((ROOT / "sources").glob(f"*/{name}"))) for name in ("source.yaml", "*.odcs.yaml"))
    assert len(write(ROOT / "sources", tmp_path)) == 2 * sources + streams
    folder = tmp_path / "models" / "staging" / "fakestore"
    (folder / "stg_fakestore__carts.sql").write_text("select 1")
    (folder / "stg_fakestore__gone.sql").write_text("select 1")
    touched = [folder / "stg_fakestore__carts.sql", folder / "stg_fakestore__gone.sql"]
    assert stale(ROOT / "sources", tmp_path) == touched
    assert write(ROOT / "sources", tmp_path) == touched
    assert stale(ROOT / "sources", tmp_path) == []
