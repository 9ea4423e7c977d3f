"""What silver has to hold of some orders, computed from what was sent: a dictionary, and nothing of the platform's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

Order = tuple[int, datetime, datetime | None, tuple[tuple[int, int], ...]]
"""User, when it was placed, when it was cancelled, and product and quantity of each line."""


def expected(events: Iterable[dict[str, Any]], carts: Iterable[dict[str, Any]], asked_at: datetime) -> dict[int, Order]:
    """Order number → the order.

    Args:
        events: each at least once, in any order.
        carts: the API's answer.
        asked_at: when it was asked.
    """
    told: dict[int, dict[tuple[datetime, str], dict[str, Any]]] = {}
    for event in events:
        said = {
            "gone": event["type"] == "cancelled",
            "user": event["user_id"],
            "placed": moment(event["placed_at"]),
            "lines": tuple((line["product_id"], line["quantity"]) for line in event["lines"]),
        }
        told.setdefault(event["order_id"], {})[moment(event["occurred_at"]), event["event_id"]] = said
    for cart in carts:
        said = {
            "gone": False,
            "user": cart["userId"],
            "placed": moment(cart["date"]),
            "lines": tuple((line["productId"], line["quantity"]) for line in cart["products"]),
        }
        told.setdefault(cart["id"], {})[asked_at, ""] = said
    orders = {}
    for number, versions in told.items():
        last, cancelled = None, None
        for (at, _), said in sorted(versions.items(), key=lambda version: version[0]):
            if not said["gone"]:
                last, cancelled = said, None
            elif cancelled is None:
                cancelled = at
        if last is not None:
            orders[number] = (last["user"], last["placed"], cancelled, last["lines"])
    return orders


def moment(text: str) -> datetime:
    """A time as events and carts write it."""
    return datetime.fromisoformat(text)
