"""Events of a shop's orders, as its till would send them: placed, changed, cancelled; some twice, late or broken.

Everything follows from the seed: the same arguments give the same records in the same order. The users and products are
those of the recorded shop, so that what is made of the events joins.
"""

from __future__ import annotations

import heapq
import json
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

from ingot.contract import Contract

USERS = range(1, 11)
PRODUCTS = range(1, 21)
"""The recorded shop's."""
FIELDS = frozenset({"order_id", "event_id", "type", "occurred_at", "placed_at", "user_id", "lines"})

_LIVING = 200  # orders that may still change, the newest
_RECENT = 500  # events of which one may be sent again
_WINDOW = 1_000  # records by which one may be late, if so many come; a third of all, if not
_EARLIER_DAYS = 3

Kind = Literal["event", "duplicate", "malformed"]
Event = dict[str, Any]


@dataclass(frozen=True)
class TrafficRecord:
    """One record to send.

    Attributes:
        data: its bytes.
        key: what Kinesis partitions by: the order.
        kind: the first sending of an event, a further one, or a record that no contract takes.
        late: it is sent after events that occurred later, or on a later day than it occurred.
        event: what it says; None if it is malformed.
    """

    data: bytes
    key: str
    kind: Kind
    late: bool
    event: Event | None


@dataclass(frozen=True)
class Traffic:
    """Records to send, the same each time.

    Attributes:
        seed: of chance.
        records: how many, duplicates and malformed ones among them.
        begin: when the first event occurs.
        seconds: from the first event to the last.
        duplicates, late, malformed: the share of the records, from 0 to 1; each record falls under it by chance.
        first_order: the number of the first order that is placed.
    """

    seed: int
    records: int
    begin: datetime
    seconds: float
    duplicates: float = 0.05
    late: float = 0.05
    malformed: float = 0.01
    first_order: int = 1

    def __iter__(self) -> Iterator[TrafficRecord]:
        """In the order in which they are sent."""
        chance = Random(self.seed)  # noqa: S311 - not for secrets
        shop = _Shop(chance, self.first_order)
        recent: deque[TrafficRecord] = deque(maxlen=_RECENT)
        window = max(1, min(_WINDOW, self.records // 3))
        waiting: list[tuple[float, int, TrafficRecord]] = []
        for place in range(self.records):
            at = self.begin + timedelta(seconds=place * self.seconds / max(1, self.records - 1))
            due = float(place)
            what = chance.random()
            if what < self.malformed:
                record = _malformed(chance, shop.event(at))
            elif what < self.malformed + self.duplicates and recent:
                again = chance.choice(recent)
                record = TrafficRecord(again.data, again.key, "duplicate", again.late, again.event)
                due += chance.random() * window
            else:
                late = chance.random() < self.late
                event = shop.event(at, earlier=late)
                record = _record(event, late=late)
                if late:
                    due += 1 + chance.random() * window
                recent.append(record)
            heapq.heappush(waiting, (due, place, record))
            while waiting and waiting[0][0] <= place:
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]


class _Shop:
    """What happens to orders, as it occurs."""

    def __init__(self, chance: Random, first_order: int) -> None:
        self._chance, self._next = chance, first_order
        self._living: deque[Event] = deque(maxlen=_LIVING)

    def event(self, at: datetime, *, earlier: bool = False) -> Event:
        """The next event.

        Args:
            at: when it occurs.
            earlier: if an order is placed, it was on one of the days before, and only comes now.
        """
        what = self._chance.random()
        if what < 0.5 or not self._living:
            if earlier:
                at -= timedelta(days=self._chance.randint(1, _EARLIER_DAYS))
            order = self._order(at)
            self._living.append(order)
            return self._said(order, "placed", at)
        place = self._chance.randrange(len(self._living))
        order = self._living[place]
        if what < 0.9:
            order = self._living[place] = order | {"lines": self._lines()}
            return self._said(order, "changed", at)
        del self._living[place]
        return self._said(order, "cancelled", at)

    def _order(self, at: datetime) -> Event:
        number, self._next = self._next, self._next + 1
        user = self._chance.choice(USERS)
        return {"order_id": number, "placed_at": _stamp(at), "user_id": user, "lines": self._lines()}

    def _lines(self) -> list[dict[str, int]]:
        products = self._chance.sample(PRODUCTS, self._chance.randint(1, 4))
        return [{"product_id": product, "quantity": self._chance.randint(1, 5)} for product in products]

    def _said(self, order: Event, kind: str, at: datetime) -> Event:
        event_id = uuid.UUID(int=self._chance.getrandbits(128), version=4)
        return {"event_id": str(event_id), "type": kind, "occurred_at": _stamp(at), **order}


def fits(contract: Contract) -> bool:
    """Whether a stream's events are those that are made here."""
    return {p.name for p in contract.properties} == FIELDS


def _record(event: Event, *, late: bool) -> TrafficRecord:
    return TrafficRecord(_encoded(event), str(event["order_id"]), "event", late, event)


def _malformed(chance: Random, event: Event) -> TrafficRecord:
    """An event with one thing wrong with it. No two are alike: each has an identity of its own."""
    one = event["lines"][0]
    wrong: list[bytes] = [
        _encoded(event)[: chance.randint(60, 90)],  # cut off
        _encoded(event)[:-1] + b', "note": "\xff\xfe"}',  # no UTF-8
        _encoded([event]),
        _encoded({name: value for name, value in event.items() if name != "occurred_at"}),
        _encoded(event | {"order_id": str(event["order_id"])}),
        _encoded(event | {"type": "paid"}),
        _encoded(event | {"occurred_at": "yesterday"}),
        _encoded(event | {"lines": []}),
        _encoded(event | {"lines": [one | {"quantity": 0}]}),
    ]
    return TrafficRecord(chance.choice(wrong), str(event["order_id"]), "malformed", late=False, event=None)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
