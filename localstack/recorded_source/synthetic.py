"""A store in Fakestore's shape, as large as wanted, computed from a seed.

Every record is a function of the seed and its own number: no page depends on the pages before it, and the
same request gets the same bytes each time, in any process. The randomness is SHAKE-128 in counter mode: block
``b`` of 256 carts takes ``16 * 256`` bytes from SHAKE-128(seed, b), 16 bytes a cart.

For N orders there are N carts with ids 1 to N, ``10 + N // 10`` users (the first 10 are the recorded ones) and
``20 + N // 100`` products, at most 10,020 (the first 20 are the recorded ones). Orders come in by time: cart n is
dated ``(n - 1) / N`` of the way from 2022-01-01 to 2025-01-01, to the second. A window of dates is then a window
of ids, found without a scan. A cart has one to five lines (2.38 on average), each of another product; it takes
149 bytes in a store of 1,000 orders and 158 in one of a million, whose ids are longer.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice

from .recordings import Record, Recordings, compact

EPOCH = datetime(2022, 1, 1, tzinfo=UTC)
SPAN = int((datetime(2025, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())

_BLOCK = 256
_DRAW = struct.Struct("<IIH6B")  # user, first product, stride, number of lines, five quantities
_LINES = bytes(n for n, weight in enumerate((77, 74, 56, 28, 21), start=1) for _ in range(weight))
_QUANTITIES = bytes(n for n, weight in enumerate((96, 64, 32, 24, 12, 8, 8, 4, 4, 4), start=1) for _ in range(weight))
_DAYS = [f'"{EPOCH + timedelta(days=day):%Y-%m-%d}T' for day in range(SPAN // 86400)]
_MINUTES = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]
_SECONDS = [f'{second:02}.000Z","products":[' for second in range(60)]
_ENDINGS = [f"{quantity}}}" for quantity in _QUANTITIES]

_ADJECTIVES = ("Slim", "Classic", "Rugged", "Light", "Vintage", "Solid", "Soft", "Compact", "Bold", "Plain")
_NOUNS = {
    "men's clothing": ("Jacket", "Shirt", "Backpack", "Trousers"),
    "jewelery": ("Ring", "Bracelet", "Earrings", "Chain"),
    "electronics": ("Monitor", "Hard Drive", "Keyboard", "Charger"),
    "women's clothing": ("Raincoat", "Blouse", "Short Sleeve", "Moto Jacket"),
}
_FIRST_NAMES = (
    "ada",
    "bela",
    "carla",
    "dario",
    "edith",
    "farid",
    "greta",
    "hugo",
    "ines",
    "jonas",
    "kira",
    "luis",
)
_LAST_NAMES = (
    "abbott",
    "berger",
    "cole",
    "dietz",
    "egan",
    "flores",
    "gruber",
    "hale",
    "ito",
    "jansen",
    "keller",
)
_CITIES = ("kilcoole", "cullman", "san antonio", "el paso", "fresno", "mesa", "miami", "westport")
_STREETS = ("new road", "mill lane", "hunters creek dr", "prospect st", "saddle st", "frances ct")


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a window of carts adds up to, for a test or a benchmark to compare with.

    ``revenue`` is quantity * list price over all lines, exact to the cent.
    """

    carts: int
    lines: int
    units: int
    products_sold: int
    buyers: int
    revenue: Decimal

    def as_json(self) -> dict[str, object]:
        """With the revenue as a string, so that it stays a decimal."""
        return asdict(self) | {"revenue": str(self.revenue)}


class SyntheticStore:
    """The store of one seed and number of orders.

    Ids begin with 1; ranges of ids are ``range`` objects of step 1.
    """

    def __init__(self, seed: int, orders: int, recordings: Recordings) -> None:
        self.seed, self.orders = seed, orders
        self._recorded = {name: recordings[name] for name in ("products", "users")}
        self.sizes = {"products": 20 + min(orders // 100, 10_000), "users": 10 + orders // 10, "carts": orders}

    def ids(self, stream: str) -> range:
        return range(1, self.sizes[stream] + 1)

    def ids_between(self, start: datetime | None, end: datetime | None) -> range:
        """The ids of the carts with ``start <= date < end``; None leaves that side open."""
        first = 0 if start is None else self._first_at_or_after(start)
        stop = self.orders if end is None else self._first_at_or_after(end)
        return range(first + 1, max(first, stop) + 1)

    def _first_at_or_after(self, time: datetime) -> int:
        # floor(i * SPAN / N) >= ceil(seconds)  <=>  i >= ceil(seconds) * N / SPAN, all in integers
        seconds = -((EPOCH - time) // timedelta(seconds=1))
        return min(max(0, -(-seconds * self.orders // SPAN)), self.orders)

    def records(self, stream: str, ids: range) -> Iterator[str]:
        """The records with these ids, each as compact JSON."""
        if stream == "carts":
            return self._carts(ids)
        make, recorded = {"products": self._product, "users": self._user}[stream], self._recorded[stream]
        return (compact(recorded[n - 1] if n <= len(recorded) else make(n)).decode() for n in ids)

    def totals(self, ids: range) -> Totals:
        """Add up the carts with these ids, from the draws and not from the rendered records."""
        cents, units_of, buyers, lines = self._cents, [0] * self.sizes["products"], set[int](), 0
        for user, product, stride, size, *quantities in self._draws(ids):
            buyers.add(user % self.sizes["users"])
            lines += _LINES[size]
            for index in range(_LINES[size]):
                units_of[self._line_product(product, stride, index)] += _QUANTITIES[quantities[index]]
        return Totals(
            carts=len(ids),
            lines=lines,
            units=sum(units_of),
            products_sold=sum(units > 0 for units in units_of),
            buyers=len(buyers),
            revenue=Decimal(sum(units * cents[index] for index, units in enumerate(units_of))) / 100,
        )

    def _draws(self, ids: range) -> Iterator[tuple[int, ...]]:
        first = ids.start - 1
        draws = (
            draw
            for block in range(first // _BLOCK, -(-(ids.stop - 1) // _BLOCK))
            for draw in _DRAW.iter_unpack(self._bytes("carts", block, _BLOCK * _DRAW.size))
        )
        return islice(draws, first % _BLOCK, first % _BLOCK + len(ids))

    def _bytes(self, stream: str, number: int, size: int) -> bytes:
        return hashlib.shake_128(f"{self.seed}/{stream}/{number}".encode()).digest(size)

    def _line_product(self, first: int, stride: int, index: int) -> int:
        # Five steps of at most a fifth of the products never meet: a cart's products are distinct.
        products = self.sizes["products"]
        return (first + index * (1 + stride % (products // 5))) % products

    def _carts(self, ids: range) -> Iterator[str]:
        """The hot loop of a benchmark's source: strings from tables and no inner loop."""
        orders, products, users = self.orders, self.sizes["products"], self.sizes["users"]
        lines_of, quantity, begins, fifth = _LINES, _ENDINGS, self._line_begins, products // 5
        for number, (user, first, stride, size, q1, q2, q3, q4, q5) in zip(ids, self._draws(ids), strict=True):
            step, count = 1 + stride % fifth, lines_of[size]
            lines = begins[first % products] + quantity[q1]
            if count > 1:
                lines += "," + begins[(first + step) % products] + quantity[q2]
                if count > 2:
                    lines += "," + begins[(first + 2 * step) % products] + quantity[q3]
                    if count > 3:
                        lines += "," + begins[(first + 3 * step) % products] + quantity[q4]
                        if count > 4:
                            lines += "," + begins[(first + 4 * step) % products] + quantity[q5]
            day, second = divmod((number - 1) * SPAN // orders, 86400)
            yield (
                f'{{"id":{number},"userId":{user % users + 1},"date":{_DAYS[day]}'
                f'{_MINUTES[second // 60]}{_SECONDS[second % 60]}{lines}],"__v":0}}'
            )

    @cached_property
    def _line_begins(self) -> list[str]:
        return [f'{{"productId":{n},"quantity":' for n in self.ids("products")]

    @cached_property
    def _cents(self) -> list[int]:
        recorded = [round(Decimal(str(product["price"])) * 100) for product in self._recorded["products"]]
        return recorded + [self._price(n) for n in self.ids("products")[len(recorded) :]]

    def _price(self, number: int) -> int:
        """In cents. Every fourth product has a price in whole units, which JSON spells without a point."""
        cents = 99 + int.from_bytes(self._bytes("prices", number, 4)) % 99_900
        return cents - cents % 100 + 100 if number % 4 == 0 else cents

    def _product(self, number: int) -> Record:
        """A made-up product, with Fakestore's fields in its order."""
        a, b, c, d, rate, count = struct.unpack("<4BBH", self._bytes("products", number, 7))
        category = list(_NOUNS)[a % len(_NOUNS)]
        title = f"{_ADJECTIVES[b % 10]} {_NOUNS[category][c % 4]} No. {number}"
        return {
            "id": number,
            "title": title,
            "price": _spelt(self._price(number), 100),
            "description": f"{title}: a product of a made-up store, which nobody can buy.",
            "category": category,
            "image": f"https://example.com/img/{number}-{d:02x}.jpg",
            "rating": {"rate": _spelt(10 + rate % 41, 10), "count": count % 1000},
        }

    def _user(self, number: int) -> Record:
        draw = self._bytes("users", number, 16)
        first, last = _FIRST_NAMES[draw[0] % 12], _LAST_NAMES[draw[1] % 11]
        lat, long = draw[4] * 256 + draw[5], draw[6] * 256 + draw[7]
        return {
            "address": {
                "geolocation": {
                    "lat": f"{lat * 180 / 65536 - 90:.4f}",
                    "long": f"{long * 360 / 65536 - 180:.4f}",
                },
                "city": _CITIES[draw[2] % 8],
                "street": _STREETS[draw[3] % 6],
                "number": 1 + (draw[8] * 256 + draw[9]) % 9999,
                "zipcode": f"{10000 + number % 90000}-{1000 + draw[10]}",
            },
            "id": number,
            "email": f"{first}.{last}.{number}@example.com",
            "username": f"{first}_{number}",
            "password": draw[11:].hex(),
            "name": {"firstname": first, "lastname": last},
            "phone": f"1-555-{draw[11]:03}-{number % 10000:04}",
            "__v": 0,
        }


def _spelt(value: int, scale: int) -> int | float:
    """``value / scale`` as JavaScript would write it: an integer where there is no fraction."""
    return value // scale if value % scale == 0 else value / scale
