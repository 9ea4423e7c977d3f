"""What `ingot explain` says of a record that landed."""

from __future__ import annotations

from datetime import UTC, datetime

from ingot.cli.explain import _origin
from ingot.explain import LandedAt, Origin

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def said(line: int | None) -> str:
    landed = LandedAt("s3://b/landing/orders_stream/orders/day=2026-03-01/x.gz", 3, 5, line, DAY)
    origin = Origin("orders_stream.orders.x", 2, DAY, "0" * 64, False, "s3://b/data/x", 3, 4, [], DAY, [], None, landed)
    return "\n".join(_origin(origin))


def test_a_record_is_shown_with_the_object_and_the_line_that_it_landed_in() -> None:
    assert "from [bold]s3://b/landing/orders_stream/orders/day=2026-03-01/x.gz[/] line 4, record 3 of 5" in said(4)


def test_a_line_that_nobody_can_count_any_more_is_not_made_up() -> None:
    assert "x.gz[/] record 3 of 5, landed 2026-03-01 00:00:00" in said(None)


def test_a_record_of_an_archive_is_shown_with_the_file_in_it() -> None:
    landed = LandedAt("s3://b/landing/suppliers/costs/march.zip", 3, 5, 4, DAY, "rheinwerk.csv")
    origin = Origin("suppliers.costs.x", 2, DAY, "0" * 64, False, "s3://b/data/x", 3, 4, [], DAY, [], None, landed)

    assert "march.zip[/], in it [bold]rheinwerk.csv[/] line 4, record 3 of 5" in "\n".join(_origin(origin))
