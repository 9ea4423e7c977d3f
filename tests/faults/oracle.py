"""What must be in the warehouse, from nothing but what the source served and to whom.

A batch may have been served more than once, and with other contents: to a run that was killed, to its retry, to a
twin. Which of these answers it holds is free, as long as it is one of them and whole. So this is the one thing that
the oracle looks up in what we stored: it finds the answer whose rows are the batch's rows. Everything else (which
records are news, what was deleted, versions, prices, sums) it works out by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.faults.run import Answer, Run
from tests.faults.shop import Record

MICROSECOND = timedelta(microseconds=1)
Columns = tuple[Any, ...]


@dataclass(frozen=True)
class Row:
    """One row that a batch brings: of a record, or (without a value) of a key that is gone."""

    key: int
    raw: bytes | None
    batch: str
    line: int
    as_of: datetime

    @property
    def value(self) -> Any:
        return json.loads(self.raw) if self.raw is not None else None

    @property
    def age(self) -> tuple[datetime, str, int]:
        """The order in which versions of a key follow each other."""
        return (self.as_of, self.batch, self.line)


@dataclass(frozen=True)
class Outcome:
    """What a batch would be if it held one answer: its rows, the places of refused records, and what is known after.

    Attributes:
        refused: the records that go into the quarantine, by their places.
        ahead: how many rows of the batch come before each of them.
        terminal: why nothing may be published; empty if nothing speaks against it.
    """

    rows: tuple[Row, ...]
    refused: dict[int, Record]
    terminal: str
    known: Known
    ahead: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is known of a stream that continues: each key's record, and refused records by their hash.

    A refused record has its key for as long as no record of that key was accepted after it.
    """

    records: dict[int, bytes] = field(default_factory=dict)
    refused: dict[str, int | None] = field(default_factory=dict)
    as_of: datetime | None = None


def outcome(
    stream: str, mode: str, answer: Answer, as_of: datetime, batch: str, known: Known, reject_rate: float
) -> Outcome:
    """What a batch has to hold if this answer is the one it took."""
    if mode != "interval" and known.as_of is not None:
        as_of = max(as_of, known.as_of + MICROSECOND)
    records = dict(known.records)
    lines: list[tuple[int, bytes | None]] = []
    refused: dict[int, Record] = {}
    refused_now: dict[str, int | None] = {}
    refused_keys: set[int | None] = set()
    seen: set[int] = set()
    ahead: dict[int, int] = {}
    # What was refused may be replayed: a record of its key that comes after it is news, though it is as it was.
    disputed = set(known.refused.values())
    for place, record in enumerate(answer.records):
        if record.valid:
            key, kept = record.value["id"], without_secret(record.raw)
            seen.add(key)
            if mode == "interval" or key in disputed or records.get(key) != kept:
                lines.append((key, kept))
            disputed.discard(key)
            records[key] = kept
        else:
            refused_keys.add(record.key)
            raw = kept_of_refused(stream, record)
            if mode == "interval" or raw is None or _hash(raw) not in known.refused | refused_now:
                refused[place], ahead[place] = record, len(lines)
                if raw is not None:
                    disputed.add(record.key)
            if raw is not None:
                refused_now[_hash(raw)] = record.key
    gone: list[int] = []
    if mode == "snapshot" and None not in refused_keys:
        before = dict.fromkeys([*known.records, *(k for k in known.refused.values() if k is not None)])
        gone = [key for key in before if key not in seen and key not in refused_keys]
        lines += [(key, None) for key in gone]
        records = {key: raw for key, raw in records.items() if key not in gone}
    bad = sum(not record.valid for record in answer.records)
    terminal = ""
    if answer.records and bad / len(answer.records) > reject_rate:
        terminal = "RejectRateExceeded"
    elif len(gone) > 0.5 * max(len(known.records), 1):
        terminal = "DeleteRateExceeded"
    kept_refused = (known.refused if mode == "cursor" or None in refused_keys else {}) | refused_now
    settled = {sha256: None if key in seen else key for sha256, key in kept_refused.items()}
    rows = tuple(Row(key, raw, batch, line, as_of) for line, (key, raw) in enumerate(lines))
    return Outcome(rows, refused, terminal, Known(records, settled, as_of), ahead)


def resolution(action: str, batch: str, resolved: Outcome) -> Outcome:
    """What a batch is that resolves another one's refused records, under the corrected contract."""
    as_of = resolved.known.as_of
    assert as_of is not None
    # The last row of each key: what it follows in the same answer is superseded by it.
    last = {row.key: row.line for row in resolved.rows if row.raw is not None}
    mended = {place: r for place, r in resolved.refused.items() if action == "replay" and r.mendable}
    passing = [r for place, r in mended.items() if last.get(r.value["id"], -1) < resolved.ahead[place]]
    left = {place: r for place, r in resolved.refused.items() if action == "replay" and not r.mendable}
    rows = tuple(Row(r.value["id"], r.raw, batch, line, as_of) for line, r in enumerate(passing))
    return Outcome(rows, left, "" if mended or action == "discard" else "nothing passed", resolved.known)


def without_secret(raw: bytes) -> bytes:
    """A record's bytes as they may be kept: `users.password` is a secret."""
    value = json.loads(raw)
    if "password" not in value:
        return raw
    del value["password"]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def kept_of_refused(stream: str, record: Record) -> bytes | None:
    """A refused record's bytes as the quarantine keeps them; None if they are withheld."""
    if stream != "users":
        return record.raw
    try:
        return without_secret(record.raw)
    except ValueError:
        return None


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def candidates(runs: Iterable[Run], batch: str) -> list[tuple[Answer, datetime]]:
    """The answers that a batch may hold, each with the time that it then stands for."""
    return [(answer, run.as_of) for run in runs if run.batch == batch for answer in run.answers]


# --- Silver and gold, from rows that were published -----------------------------------------------------------------

CENT = Decimal("0.01")


def bronze_columns(stream: str, row: Row) -> Columns:
    """A row of the bronze table, less its lineage, as `checks.BRONZE` selects it."""
    value = row.value
    if stream == "products":
        if value is None:
            return (row.key, *[None] * 7)
        return (
            *(value[name] for name in ("id", "title")), money(value["price"]),
            *(value[name] for name in ("description", "category", "image")),
            Decimal(str(value["rating"]["rate"])).quantize(Decimal("0.1")), value["rating"]["count"],
        )  # fmt: skip
    if stream == "users":
        if value is None:
            return (row.key, *[None] * 12)
        name, address = value["name"], value["address"]
        return (
            *(value["id"], value["email"], value["username"], name["firstname"], name["lastname"], value["phone"]),
            *(address["city"], address["street"], address["number"], address["zipcode"]),
            *(address["geolocation"]["lat"], address["geolocation"]["long"], value["__v"]),
        )
    if value is None:
        return (row.key, *[None] * 4)
    lines = [{"product_id": line["productId"], "quantity": line["quantity"]} for line in value["products"]]
    return (value["id"], value["userId"], time_of(value), lines, value["__v"])


def time_of(cart: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(cart["date"]).astimezone(UTC)


def money(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Line:
    """One line of an order, priced."""

    order: int
    number: int
    product: int
    user: int
    category: str
    quantity: int
    price: Decimal | None
    at: datetime

    @property
    def total(self) -> Decimal | None:
        return self.price * self.quantity if self.price is not None else None


class Expected:
    """Silver and gold as they must be, given each stream's published rows."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self._versions = {stream: _by_key(rows[stream]) for stream in rows}
        self._lines = list(self._order_lines())

    def tables(self) -> dict[str, list[Columns]]:
        """By the name of the query in `checks.QUERIES`."""
        return {
            "silver.orders": sorted(self._orders()),
            "silver.order_lines": sorted(
                (i.order, i.number, i.product, i.user, i.category, i.quantity, i.price, i.total) for i in self._lines
            ),
            "silver.products": sorted(self._living("products", _listed)),
            "silver.users": sorted(self._living("users", _masked)),
            "silver.addresses": sorted(self._living("users", lambda v: (v["address"]["city"].strip(), "129", -37, 81))),
            "silver.product_history": sorted(
                (key, number, since, until, money(row.value["price"]))
                for key, versions in self._versions["products"].items()
                for number, (row, since, until, _) in enumerate(_spans(versions), start=1)
            ),
            "gold.daily_sales": sorted(
                (day, *_sums(lines)) for day, lines in _grouped(self._lines, lambda i: i.at.date()).items()
            ),
            "gold.product_performance": sorted(self._performance()),
            "gold.customer_activity": sorted(self._activity()),
            "gold.category_revenue": sorted(self._categories()),
        }  # fmt: skip

    def _living(self, stream: str, columns: Any) -> Iterator[Columns]:
        """The last known values of every key, and since when it is gone (None: it is not)."""
        for key, versions in self._versions[stream].items():
            last = _last(versions)
            if last is not None:
                row, gone = last
                yield (key, *columns(row.value), str(gone or ""))

    def _orders(self) -> Iterator[Columns]:
        for key, versions in self._versions["carts"].items():
            last = _last(versions)
            if last is not None:
                cart = last[0].value
                units = sum(line["quantity"] for line in cart["products"])
                at = time_of(cart)
                yield (key, cart["userId"], len(cart["products"]), units, at, at.date(), last[0].batch, last[0].line)

    def _order_lines(self) -> Iterator[Line]:
        for key, versions in self._versions["carts"].items():
            last = _last(versions)
            if last is None:
                continue
            cart = last[0].value
            at = time_of(cart)
            for number, line in enumerate(cart["products"], start=1):
                version = self._version_at(line["productId"], at)
                yield Line(
                    order=key,
                    number=number,
                    product=line["productId"],
                    user=cart["userId"],
                    category=version["category"] if version else "unknown",
                    quantity=line["quantity"],
                    price=money(version["price"]) if version else None,
                    at=at,
                )

    def _version_at(self, product: int, at: datetime) -> Any:
        """The version of a product at a time; the first one for a time before it; the last one before it was gone."""
        spans = list(_spans(self._versions["products"].get(product, [])))
        known = [row.value for number, (row, since, _, _) in enumerate(spans) if number == 0 or since <= at]
        return known[-1] if known else None

    def _performance(self) -> Iterator[Columns]:
        sold = _grouped(self._lines, lambda i: i.product)
        listed = {key for key, *_, gone in self._living("products", lambda v: ()) if not gone}
        for product in {*sold, *listed}:
            lines = sold.get(product, [])
            orders, units, revenue, _ = _sums(lines)
            yield (product, orders, len({i.user for i in lines}), units, revenue, product in listed)

    def _activity(self) -> Iterator[Columns]:
        bought = _grouped(self._lines, lambda i: i.user)
        living = {key for key, *_, gone in self._living("users", lambda v: ()) if not gone}
        for user in {*bought, *living}:
            orders, units, revenue, _ = _sums(bought.get(user, []))
            yield (user, orders, units, revenue)

    def _categories(self) -> Iterator[Columns]:
        sold = _grouped(self._lines, lambda i: i.category)
        listed: dict[str, int] = defaultdict(int)
        for _, category, gone in self._living("products", lambda v: (v["category"],)):
            if not gone:
                listed[category] += 1
        for category in {*sold, *listed}:
            lines = sold.get(category, [])
            orders, units, revenue, _ = _sums(lines)
            yield (category, orders, listed[category], len({i.product for i in lines}), units, revenue)


def _by_key(rows: Iterable[Row]) -> dict[int, list[Row]]:
    versions: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.age):
        versions[row.key].append(row)
    return versions


def _last(versions: Sequence[Row]) -> tuple[Row, datetime | None] | None:
    """The newest version with values, and since when the key is gone; None if it never had any."""
    gone = None
    for row in reversed(versions):
        if row.raw is not None:
            return row, gone
        gone = row.as_of
    return None


def _spans(versions: Sequence[Row]) -> Iterator[tuple[Row, datetime, datetime | None, datetime | None]]:
    """A product's versions: with their time from and to, and when the next one begins."""
    # Of two records of the same time the later one counts.
    times = {row.as_of: row for row in versions}
    changes: list[Row] = []
    for row in times.values():
        if not changes or changes[-1].raw != row.raw:
            changes.append(row)
    for number, row in enumerate(changes):
        if row.raw is not None:
            after = changes[number + 1 :]
            yield (
                row,
                row.as_of,
                after[0].as_of if after else None,
                next((later.as_of for later in after if later.raw is not None), None),
            )


def _grouped(lines: Iterable[Line], key: Any) -> dict[Any, list[Line]]:
    groups: dict[Any, list[Line]] = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return groups


def _sums(lines: Sequence[Line]) -> tuple[int, int, Decimal, Decimal]:
    """Orders, units, revenue and revenue an order."""
    orders = len({line.order for line in lines})
    revenue = sum((line.total for line in lines if line.total is not None), Decimal("0.00"))
    average = (revenue / orders).quantize(CENT, ROUND_HALF_UP) if orders else Decimal(0)
    return orders, sum(line.quantity for line in lines), revenue, average


def _listed(product: Any) -> Columns:
    return (product["title"].strip(), product["category"], money(product["price"]))


def _masked(user: Any) -> Columns:
    mail = user["email"].strip()
    return (
        f"{mask(mail)}@{mail.partition('@')[2].lower()}",
        user["name"]["firstname"][0] + "***",
        "***" + user["phone"][-2:],
    )


def mask(text: str) -> str:
    return hashlib.sha256(f"ingot:{text.strip().lower()}".encode()).hexdigest()[:12]
