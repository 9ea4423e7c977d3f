"""Masks that anybody could undo are not made."""

from pathlib import Path

from tests.integration.dbt.warehouse import dbt_process

MASK = ("compile", "--no-populate-cache", "--no-introspect", "--inline", "select {{ mask_hash('email') }}")


def test_a_warehouse_elsewhere_is_not_masked_without_a_salt_of_its_own(dbt_python: Path, tmp_path: Path) -> None:
    with dbt_process(dbt_python, "postgres", tmp_path, {"INGOT_WAREHOUSE_HOST": "warehouse.example.com"}) as dbt:
        (problem,) = dbt(*MASK)

    assert "INGOT_MASK_SALT is not set" in problem
    assert "warehouse.example.com" in problem
