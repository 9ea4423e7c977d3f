"""The shop behind the API: products, users and orders that change, some of them malformed.

It speaks Fakestore's records. What it holds only changes between the rounds of a history.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

EPOCH = datetime(2024, 3, 1, tzinfo=UTC)
STREAMS = ("carts", "products", "users")
CATEGORIES = ("electronics", "jewelery", "men's clothing", "women's clothing")


@dataclass(frozen=True)
class Record:
    """One record as it is sent.

    Attributes:
        valid: whether the contract takes it (known from how it was made).
        key: of one that is not valid: its key, if that can be read nevertheless.
        mendable: of one that is not valid: the contract takes it once it has been corrected (`world.py`).
    """

    raw: bytes
    valid: bool = True
    key: int | None = None
    mendable: bool = False

    @property
    def value(self) -> Any:
        """The record, for one that is valid."""
        return json.loads(self.raw)


@dataclass
class Order:
    """A cart: what it says, when it was placed and last changed, and how it is broken, if it is."""

    value: dict[str, Any]
    date: datetime
    updated: datetime
    broken: str = ""
    copies: int = 1


@dataclass
class Shop:
    """All that the API can be asked for."""

    random: Random
    products: dict[int, dict[str, Any]] = field(default_factory=dict)
    gone: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    says_updated: bool = False

    def serve(
        self,
        stream: str,
        since: datetime | None = None,
        until: datetime | None = None,
        updated_since: datetime | None = None,
    ) -> tuple[Record, ...]:
        """What the API answers: all products, all users, or carts by their date or by when they changed."""
        if stream == "products":
            return tuple(Record(encode(p)) for _, p in sorted(self.products.items()))
        if stream == "users":
            return tuple(Record(encode(u)) for _, u in sorted(self.users.items()))
        return tuple(self._carts(since, until, updated_since))

    def _carts(
        self, since: datetime | None, until: datetime | None, updated_since: datetime | None
    ) -> Iterator[Record]:
        for number, order in sorted(self.orders.items()):
            asked = (
                (since is None or since <= order.date)
                and (until is None or order.date < until)
                and (updated_since is None or updated_since <= order.updated)
            )
            if asked:
                value = {**order.value, "updatedAt": iso(order.updated)} if self.says_updated else order.value
                raw = encode(value)
                if order.broken:
                    yield from [break_record(number, raw, order.broken)] * order.copies
                else:
                    yield from [Record(raw)] * order.copies

    # What happens in a shop. Each returns what it did, in words.

    def open(self) -> None:
        """The first products and users."""
        for _ in range(self.random.randint(4, 7)):
            self.list_product()
        for _ in range(self.random.randint(3, 5)):
            self.sign_up()

    def list_product(self) -> str:
        number = 1 + max((*self.products, *self.gone), default=0)
        self.products[number] = {
            "id": number,
            "title": f"Thing {number}{self.random.choice(['', ' ', ' “large”'])}",
            "price": self._price(),
            "description": "a thing",
            "category": self.random.choice(CATEGORIES),
            "image": f"https://shop.example/{number}.png",
            "rating": {"rate": self.random.randint(0, 50) / 10, "count": self.random.randint(0, 500)},
        }
        return f"product {number} is new"

    def reprice(self) -> str:
        number = self.random.choice(sorted(self.products))
        self.products[number] = {**self.products[number], "price": self._price()}
        return f"product {number} has another price"

    def delist(self) -> str:
        if len(self.products) < 4:
            return self.reprice()
        number = self.random.choice(sorted(self.products))
        self.gone[number] = self.products.pop(number)
        return f"product {number} is gone"

    def relist(self) -> str:
        if not self.gone:
            return self.list_product()
        number = self.random.choice(sorted(self.gone))
        self.products[number] = self.gone.pop(number)
        return f"product {number} is back"

    def sign_up(self) -> str:
        number = 1 + max(self.users, default=0)
        self.users[number] = {
            "id": number,
            "email": f"User{number}@{self.random.choice(['mail', 'post'])}.example",
            "username": f"user{number}",
            "password": f"secret-{number}",
            "name": {"firstname": self.random.choice("ABC") + "nna", "lastname": "Öz"},
            "phone": f"1-570-236-{self.random.randint(1000, 9999)}",
            "address": {
                "geolocation": {"lat": "-37.3159", "long": "81.1496"},
                "city": self.random.choice(["kilcoole", " Cullman"]),
                "street": "new road",
                "number": self.random.randint(1, 9999),
                "zipcode": "12926-3874",
            },
            "__v": 0,
        }
        return f"user {number} is new"

    def move(self) -> str:
        number = self.random.choice(sorted(self.users))
        user = self.users[number]
        self.users[number] = {**user, "address": {**user["address"], "city": f"city {self.random.randint(1, 99)}"}}
        return f"user {number} has moved"

    def order(self, day: datetime, now: datetime) -> str:
        """A new order, placed on a day."""
        number = 1 + max(self.orders, default=0)
        date = day + timedelta(hours=self.random.randint(0, 23), milliseconds=self.random.randint(0, 999))
        self.orders[number] = Order({}, date, now)
        self._fill(number, self.random.choice(sorted(self.users)))
        return f"order {number} of {date:%m-%d}"

    def change_order(self, now: datetime) -> str:
        number = self.random.choice(sorted(self.orders))
        self._fill(number, self.orders[number].value["userId"])
        self.orders[number].updated = now
        return f"order {number} has changed"

    def spoil(self, now: datetime) -> str:
        number = self.random.choice(sorted(self.orders))
        self.orders[number].broken = self.random.choice(sorted(BROKEN))
        self.orders[number].updated = now
        return f"order {number} is malformed: {self.orders[number].broken}"

    def mend(self, now: datetime) -> str:
        """All malformed orders are well again."""
        broken = [number for number, order in self.orders.items() if order.broken]
        for number in broken:
            self.orders[number].broken = ""
            self.orders[number].updated = now
        return f"orders {broken} are mended"

    def repeat(self) -> str:
        number = self.random.choice(sorted(self.orders))
        self.orders[number].copies = 2
        return f"order {number} comes twice in every answer"

    def _price(self) -> float:
        return self.random.randint(1, 99_999) / 100

    def _fill(self, number: int, user: int) -> None:
        # Now and then a line names a product that was not taken yet, or never will be.
        known = [*self.products, *self.gone, 900]
        lines = [
            {"productId": self.random.choice(known), "quantity": self.random.randint(1, 9)}
            for _ in range(self.random.randint(1, 3))
        ]
        order = self.orders[number]
        order.value = {
            "id": number,
            "userId": user,
            "date": iso(order.date),
            "products": lines,
            "__v": order.value.get("__v", -1) + 1,
        }


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "a quantity of 0": lambda raw: _with(raw, "products", [{"productId": 1, "quantity": 0}]),
    "no lines": lambda raw: _with(raw, "products", []),
    "a user that is a text": lambda raw: _with(raw, "userId", "somebody"),
    "a date that is none": lambda raw: _with(raw, "date", "yesterday"),
    "no user": lambda raw: raw.replace(b'"userId"', b'"user"'),
    "a value that is missing": lambda raw: raw.replace(b'"__v":', b'"__v":,"x":'),
    "a key that stands twice": lambda raw: raw.replace(b'"__v":', b'"id":1,"__v":'),
}
"""Ways in which a cart can be malformed, and what does it."""


UNREADABLE = ("a value that is missing",)
"""Those after which nobody can say whose record it was."""

MENDABLE = ("a quantity of 0", "no lines")
"""Those that the contract should have allowed, as somebody finds out at the end."""


def spoil(stream: str, raw: bytes, *, readable: bool) -> Record:
    """A valid record of any stream, malformed."""
    if not readable:
        return Record(raw.replace(b"{", b"{,", 1), valid=False)
    name, value = {"products": ("price", "cheap"), "users": ("username", ""), "carts": ("userId", "somebody")}[stream]
    return Record(_with(raw, name, value), valid=False, key=json.loads(raw)["id"])


def break_record(number: int, raw: bytes, how: str) -> Record:
    """A cart, malformed."""
    return Record(BROKEN[how](raw), False, None if how in UNREADABLE else number, how in MENDABLE)


def encode(value: Any) -> bytes:
    """JSON as the API writes it, and as the gate leaves it when it has cut a secret out."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """A time as the API writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _with(raw: bytes, name: str, value: Any) -> bytes:
    return encode({**json.loads(raw), name: value})
