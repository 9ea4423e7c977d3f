"""Masks that anybody could undo are not made."""

from pathlib import Path

from tests.integration.dbt.warehouse import dbt_process

MASK = ("compile", "--no-populate-cache", "--no-introspect", "--inline", "select {{ mask_hash('email') }}")


def test_a_warehouse_elsewhere_is_not_masked_without_a_salt_of_its_own(dbt_python: Path, tmp_path: Path) -> None:
    with dbt_process(dbt_python, "postgres", tmp_path, {"INGOT_WAREHOUSE_HOST": "warehouse.example.com"}) as dbt:
        (problem,) = dbt(*MASK)

    assert "INGOT_MASK_SALT is not set" in problem
    assert "warehouse.example.com" in problem


def test_the_salt_is_in_nothing_that_dbt_keeps_of_a_parse(dbt_python: Path, tmp_path: Path) -> None:
    salt = "a-salt-that-nobody-may-read"
    with dbt_process(dbt_python, "postgres", tmp_path, {"INGOT_MASK_SALT": salt}) as dbt:
        assert dbt("parse") == []
        kept = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert {"partial_parse.msgpack", "manifest.json"} <= {file.name for file in kept}
        assert [file.name for file in kept if salt.encode() in file.read_bytes()] == []

        assert dbt(*MASK) == []

    assert f"'{salt}:'" in next(tmp_path.rglob("inline.sql")).read_text(encoding="utf-8"), "it is asked for when needed"
