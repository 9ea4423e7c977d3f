"""Fakestore's read endpoints, answered from recordings as the API's own code answers them.

Read from the public source of fake-store-api (``controller/product.js``, ``user.js`` and ``cart.js``):

* ``limit`` is JavaScript's ``Number(limit) || 0``: what is no number is ignored, and so is 0. MongoDB takes a
  negative limit for its absolute value and a fraction for its whole part. It is applied after the sort.
* ``sort`` is by id: ``desc`` descends, and anything else ascends.
* ``startdate`` is inclusive and ``enddate`` exclusive, on the carts' dates; ``/carts/user/{id}`` takes these
  two only.
* An unknown id answers ``null`` with 200, an unknown category or user an empty list.

One difference: a date that is none makes the real API drop the request without ever answering. Here it is
refused with 400, so that a client's mistake is seen at once. Dates without a zone are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from .messages import Listing, Reply, Request
from .recordings import Record, Recordings, stream_of

STREAMS = ("products", "users", "carts")


class BadArgument(ValueError):
    """An argument of the query that cannot be understood; the message names it."""


def number(text: str | None) -> int | None:
    """A ``limit`` as JavaScript and MongoDB understand it; None where it limits nothing."""
    try:
        value = float(text or "0")
    except ValueError:
        return None
    return abs(int(value)) or None if math.isfinite(value) else None


def instant(arguments: Mapping[str, str], name: str) -> datetime | None:
    """A date or a time of the query, in UTC; None where it is absent or empty.

    Raises:
        BadArgument: if it is no ISO 8601 date.
    """
    text = arguments.get(name)
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(f"{name}={text!r} is no date: send YYYY-MM-DD or an ISO 8601 time.") from None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Fakestore:
    """The endpoints over one choice of recordings: a recording for each of the three streams."""

    def __init__(self, recordings: Recordings, stand_ins: Iterable[str] = ()) -> None:
        """Serve the three streams, with ``stand_ins`` (``products_2025``) in their streams' place.

        Raises:
            UnknownRecording: if a name is none of the recordings'.
        """
        chosen = {stream: stream for stream in STREAMS} | {stream_of(name): name for name in stand_ins}
        self._records = {stream: recordings[name] for stream, name in chosen.items()}

    def answer(self, request: Request) -> Reply | None:
        """The reply to a GET; None where the API has no such path.

        Raises:
            BadArgument: for a date that is none.
        """
        records = self._list(request)
        if records is not None:
            return Reply.json(records)
        match request.path.split("/")[1:]:
            case ["products", "categories"]:
                return Reply.json(sorted({product["category"] for product in self._records["products"]}))
            case ["products" | "users" | "carts" as stream, key]:
                return Reply.json(next((r for r in self._records[stream] if str(r["id"]) == key), None))
        return None

    def listing(self, request: Request) -> Listing | None:
        """A list that is had in parts; None where the API has no such list.

        Raises:
            BadArgument: for a date that is none.
        """
        records = self._list(request)
        if records is None:
            return None
        return Listing(size=len(records), part=lambda start, stop: Reply.json(records[start:stop]))

    def _list(self, request: Request) -> list[Record] | None:
        arguments = request.arguments
        match request.path.split("/")[1:]:
            case ["products" | "users" as stream]:
                return _listed(self._records[stream], arguments)
            case ["carts"]:
                return _listed(_dated(self._records["carts"], arguments), arguments)
            case ["products", "category", name]:
                found = [product for product in self._records["products"] if product["category"] == name]
                return _listed(found, arguments)
            case ["carts", "user", user]:
                carts = _dated(self._records["carts"], arguments)
                return [cart for cart in carts if str(cart["userId"]) == user]
        return None


def _listed(records: Iterable[Record], arguments: Mapping[str, str]) -> list[Record]:
    ordered = sorted(records, key=lambda record: record["id"], reverse=arguments.get("sort") == "desc")
    return ordered[: number(arguments.get("limit"))]


def _dated(carts: Iterable[Record], arguments: Mapping[str, str]) -> list[Record]:
    start, end = instant(arguments, "startdate"), instant(arguments, "enddate")
    return [
        cart
        for cart in carts
        for date in [datetime.fromisoformat(cart["date"])]
        if (start is None or date >= start) and (end is None or date < end)
    ]
