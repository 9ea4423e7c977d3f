"""``/synthetic/{seed}/{orders}``: the synthetic store over HTTP, with Fakestore's arguments and with pages.

* ``…/products``, ``…/users``, ``…/carts``: a list, with ``sort`` and for carts the dates.
* ``…?page=3&limit=1000``: the third page (from 1) of 1000; past the end an empty list.
* ``…?limit=5`` without ``page``: the first five, and without ``limit`` all, as Fakestore answers.
* ``…/products/7`` and so on: an item, or ``null``.
* ``…/totals``: what the carts (of a window of dates) add up to.

A client made for Fakestore reads it with this prefix as its base URL.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache

from .fakestore import STREAMS, BadArgument, instant, number
from .messages import Listing, Reply, Request
from .recordings import Recordings
from .synthetic import SyntheticStore

DEFAULT_LIMIT = 1000
MAX_ORDERS = 1_000_000_000


class PageCache:
    """Rendered replies, the last used kept while their bodies fit into ``capacity`` bytes.

    Safe for many threads.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._pages: OrderedDict[Hashable, Reply] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, render: Callable[[], Reply]) -> Reply:
        with self._lock:
            if page := self._pages.get(key):
                self._pages.move_to_end(key)
                return page
        page = render()  # outside the lock: two threads may render one page, to the same bytes
        with self._lock:
            if key not in self._pages and len(page.body) <= self._capacity:
                self._pages[key] = page
                self._size += len(page.body)
                while self._size > self._capacity:
                    _, oldest = self._pages.popitem(last=False)
                    self._size -= len(oldest.body)
        return page


class SyntheticApi:
    """The endpoints of all synthetic stores, each made when it is first asked for."""

    def __init__(self, recordings: Recordings, cache_bytes: int) -> None:
        self._pages = PageCache(cache_bytes)

        @lru_cache(maxsize=8)
        def store(seed: int, orders: int) -> SyntheticStore:
            return SyntheticStore(seed, orders, recordings)

        self._store = store

    def answer(self, request: Request) -> Reply | None:
        """The reply to a GET; None where there is no such path.

        Raises:
            BadArgument: for a page or a date that is none.
        """
        store, rest = self._asked(request)
        return None if store is None else self._answer(store, rest, request)

    def listing(self, request: Request) -> Listing | None:
        """A list that is had in parts; None where there is no such list.

        Raises:
            BadArgument: for a date that is none.
        """
        store, rest = self._asked(request)
        if store is None or len(rest) != 1 or rest[0] not in STREAMS:
            return None
        ids = _page(_window(store, rest[0], request), request)
        return Listing(size=len(ids), part=lambda start, stop: self._list(store, rest[0], ids[start:stop]))

    def _asked(self, request: Request) -> tuple[SyntheticStore | None, list[str]]:
        match request.path.split("/")[1:]:
            case ["synthetic", seed, orders, *rest] if seed.isdecimal() and orders.isdecimal():
                if not 0 < int(orders) <= MAX_ORDERS:
                    raise BadArgument(f"A synthetic store has 1 to {MAX_ORDERS} orders, not {orders}.")
                return self._store(int(seed), int(orders)), rest
        return None, []

    def _list(self, store: SyntheticStore, stream: str, ids: range) -> Reply:
        key = (store.seed, store.orders, stream, ids)
        return self._pages.get(key, lambda: _rendered(store, stream, ids))

    def _answer(self, store: SyntheticStore, rest: list[str], request: Request) -> Reply | None:
        match rest:
            case ["totals"]:
                window = _window(store, "carts", request)
                key: Hashable = (store.seed, store.orders, "totals", window)
                return self._pages.get(key, lambda: Reply.json(store.totals(window).as_json()))
            case [stream] if stream in STREAMS:
                return self._list(store, stream, _page(_window(store, stream, request), request))
            case [stream, key] if stream in STREAMS:
                found = key.isdecimal() and int(key) in store.ids(stream)
                ids = range(int(key), int(key) + 1) if found else range(0)
                return Reply.json_bytes("".join(store.records(stream, ids)).encode() or b"null")
        return None


def _window(store: SyntheticStore, stream: str, request: Request) -> range:
    if stream != "carts":
        return store.ids(stream)
    return store.ids_between(instant(request.arguments, "startdate"), instant(request.arguments, "enddate"))


def _page(ids: range, request: Request) -> range:
    """The part of a window of ids that is asked for; a descending range for ``sort=desc``."""
    arguments = request.arguments
    if arguments.get("sort") == "desc":
        ids = ids[::-1]
    limit = number(arguments.get("limit"))
    if "page" not in arguments:
        return ids[:limit]
    page = arguments["page"]
    if not page.isdecimal() or int(page) < 1:
        raise BadArgument(f"page={page!r} is no page: pages count from 1.")
    size = limit or DEFAULT_LIMIT
    return ids[(int(page) - 1) * size : int(page) * size]


def _rendered(store: SyntheticStore, stream: str, ids: range) -> Reply:
    records = store.records(stream, ids if ids.step > 0 else ids[::-1])
    listed = records if ids.step > 0 else reversed(list(records))
    return Reply.json_bytes(f"[{','.join(listed)}]".encode())
