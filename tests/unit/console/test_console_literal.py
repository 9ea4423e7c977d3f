"""Texts of people in SQL: no quote and no backslash of theirs ends the literal, for Postgres and for Redshift."""

from __future__ import annotations

import pytest

from ingot.warehouse.literal import literal


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("carts", "'carts'"),
        ("o'clock", "'o''clock'"),
        ("\\' OR 1=1 --", "'' || chr(92) || ''' OR 1=1 --'"),
        ("a\x00' b", "'a'"),
        ("", "''"),
    ],
)
def test_a_text_stays_within_its_literal(text: str, sql: str) -> None:
    assert literal(text) == sql
    assert "\\" not in sql


def test_what_the_command_line_and_runs_ask_is_written_so_too() -> None:
    from ingot.cli.reports import _chosen

    assert _chosen("\\' OR 1=1 --", None, "failed") == (
        "WHERE source = '' || chr(92) || ''' OR 1=1 --' AND state = 'FAILED'"
    )
