"""What a dbt project may say of what its rows are made of, and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingot.errors import ConfigurationError
from ingot.explain import Walk, read_walk
from ingot.explain.walk import Step
from ingot.naming import Names

NAMES = Names(environment="test", account="0", region="nowhere")


def walk(folder: Path, text: str) -> Walk:
    file = folder / "models" / "silver" / "shop" / "_shop__models.yml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return read_walk(folder, NAMES)


def test_models_are_in_the_schema_of_their_layer_and_sources_in_their_own(tmp_path: Path) -> None:
    found = walk(
        tmp_path,
        """
        models:
          - name: orders
            config: {meta: {key: [a, b], made_of: [{table: bronze.x_carts, as: price, where: {c: a, d: null}}], x: 1}}
          - name: undeclared
        sources:
          - name: x
            schema: bronze
            tables: [{name: carts, identifier: x_carts, config: {meta: {key: [id]}}}, {name: undeclared}]
        """,
    )
    assert list(found) == ["bronze.x_carts", "silver.orders"]
    orders, carts = found["silver.orders"], found["bronze.x_carts"]
    assert (orders.key, orders.stream) == (("a", "b"), None)
    assert orders.made_of == (Step("bronze.x_carts", {"c": "a", "d": None}, "price"),)
    assert (carts.key, carts.stream) == (("id",), ("x", "carts"))


@pytest.mark.parametrize(
    "text",
    [
        "models: [{name: orders, config: {meta: {key: id}}}]",
        "models: [{name: orders, config: {meta: {key: [id], made_of: [{table: silver.x}]}}}]",
        "models: [{name: orders, config: {meta: {key: [id], made_of: [{table: silver.x, were: {a: b}}]}}}]",
        "models: [{config: {meta: {key: [id]}}}]",
        "sources: [{name: x}]",
        "- a list",
        "models: [",
    ],
)
def test_what_is_no_walk_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"_shop__models\.yml"):
        walk(tmp_path, text)


def test_a_project_that_declares_nothing_and_a_table_that_is_not_declared_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no dbt project that says"):
        walk(tmp_path, "models: [{name: orders}]")
    with pytest.raises(ConfigurationError, match=r"no table 'silver\.lines'.*choose one of silver\.orders"):
        walk(tmp_path / "other", "models: [{name: orders, config: {meta: {key: [id]}}}]").node("silver.lines")
