"""The synthetic store: the same bytes each time, honest pages, and totals that its records add up to."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from recorded_source import Recordings, SyntheticStore
from recorded_source.application import Application
from recorded_source.messages import Reply, Request
from recorded_source.synthetic_api import PageCache

RECORDINGS = Recordings()
STORE = "/synthetic/7/1000"


def ask(target: str, cache_bytes: int = 0) -> Reply:
    application = Application(RECORDINGS, cache_bytes=cache_bytes)
    return application.deliver(Request.of("GET", target, {}, b"")).reply


def get(target: str) -> Any:
    reply = ask(target)
    assert reply.status == 200
    return json.loads(reply.body, parse_float=Decimal)


def time(cart: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(cart["date"])


@pytest.mark.parametrize(
    ("stream", "digest"),
    [("products", "804751f12dec0fd3"), ("users", "f84a610adc83a893"), ("carts", "c98d12294c99cdc5")],
)
def test_a_seed_gives_the_same_bytes_on_every_machine_and_in_every_version(stream: str, digest: str) -> None:
    # Benchmarks are compared over time by seed: a change of these digests makes their figures incomparable.
    assert hashlib.sha256(ask(f"{STORE}/{stream}").body).hexdigest()[:16] == digest


def test_another_seed_is_another_store() -> None:
    assert ask(f"{STORE}/carts?limit=1").body != ask("/synthetic/8/1000/carts?limit=1").body


@pytest.mark.parametrize("limit", [1, 97, 256, 300, 1000, 4000])
def test_pages_of_any_size_join_to_the_whole_list(limit: int) -> None:
    pages = [get(f"{STORE}/carts?page={page}&limit={limit}") for page in range(1, min(1000 // limit + 2, 6))]
    whole = get(f"{STORE}/carts")
    assert [cart for page in pages for cart in page] == whole[: limit * len(pages)]


def test_a_page_is_computed_without_the_pages_before_it() -> None:
    # A billion orders: whoever counted through them would not return within the test's time.
    last = get("/synthetic/7/1000000000/carts?page=1000000&limit=1000")
    assert [last[0]["id"], last[-1]["id"]] == [999_999_001, 1_000_000_000]


@pytest.mark.parametrize("stream", ["products", "users", "carts"])
def test_a_page_past_the_end_is_an_empty_list(stream: str) -> None:
    assert ask(f"{STORE}/{stream}?page=2&limit=1000").body == b"[]"


def test_pages_are_of_a_thousand_unless_told() -> None:
    assert [len(get(f"/synthetic/7/1500/carts?page={page}")) for page in (1, 2, 3)] == [1000, 500, 0]


def test_descending_pages_mirror_ascending_ones() -> None:
    page = get(f"{STORE}/carts?sort=desc&page=2&limit=10")
    assert page == get(f"{STORE}/carts")[-20:-10][::-1]


@pytest.mark.parametrize("page", ["0", "-1", "two", ""])
def test_a_page_that_is_none_is_refused(page: str) -> None:
    reply = ask(f"{STORE}/carts?page={page}")
    assert reply.status == 400
    assert "pages count from 1" in json.loads(reply.body)["error"]


@pytest.mark.parametrize("orders", ["0", "1000000001"])
def test_a_store_of_no_or_too_many_orders_is_refused(orders: str) -> None:
    assert ask(f"/synthetic/7/{orders}/carts").status == 400


@pytest.mark.parametrize("path", ["/synthetic/7/x/carts", "/synthetic/7/1000/orders", "/synthetic/7"])
def test_an_unknown_synthetic_path_is_not_found(path: str) -> None:
    assert ask(path).status == 404


def test_carts_have_fakestores_shape_with_one_to_five_lines_of_distinct_products() -> None:
    carts = get(f"{STORE}/carts")
    recorded = RECORDINGS["carts"][0]
    assert [cart["id"] for cart in carts] == list(range(1, 1001))
    for cart in carts:
        assert list(cart) == list(recorded)
        assert {type(line["quantity"]) for line in cart["products"]} == {int}
        products = [line["productId"] for line in cart["products"]]
        assert len(set(products)) == len(products)
    assert {len(cart["products"]) for cart in carts} == {1, 2, 3, 4, 5}
    assert {line["quantity"] for cart in carts for line in cart["products"]} == set(range(1, 11))


def test_carts_are_as_large_as_those_of_the_published_measurements() -> None:
    carts = get(f"{STORE}/carts")
    assert sum(len(cart["products"]) for cart in carts) / 1000 == pytest.approx(2.38, abs=0.1)
    assert len(ask(f"{STORE}/carts").body) / 1000 == pytest.approx(149, abs=4)


def test_every_reference_leads_to_a_user_or_a_product() -> None:
    carts, users, products = (get(f"{STORE}/{stream}") for stream in ("carts", "users", "products"))
    assert [len(users), len(products)] == [110, 30]
    assert {cart["userId"] for cart in carts} <= {user["id"] for user in users}
    sold = {line["productId"] for cart in carts for line in cart["products"]}
    assert sold <= {product["id"] for product in products}


@pytest.mark.parametrize(("stream", "count"), [("products", 20), ("users", 10)])
def test_the_first_records_are_the_recorded_ones_and_the_rest_has_their_shape(stream: str, count: int) -> None:
    records = json.loads(ask(f"{STORE}/{stream}").body)
    assert records[:count] == list(RECORDINGS[stream])
    for record in records[count:]:
        assert list(record) == list(records[0])
        assert {type(value) for value in _leaves(record)} <= {str, int, float}


def _leaves(value: Any) -> list[Any]:
    return [leaf for child in value.values() for leaf in _leaves(child)] if isinstance(value, dict) else [value]


def test_prices_are_spelt_with_and_without_a_point_as_javascript_spells_them() -> None:
    prices = [product["price"] for product in get(f"{STORE}/products")[20:]]
    assert {type(price) for price in prices} == {int, Decimal}
    assert all(1 <= price <= 1000 and price == round(price, 2) for price in prices)
    assert not any(str(price).endswith("0") for price in prices if isinstance(price, Decimal))


def test_an_item_is_the_record_of_the_list_and_an_unknown_id_is_null() -> None:
    for stream in ("products", "users", "carts"):
        assert get(f"{STORE}/{stream}/30") == get(f"{STORE}/{stream}")[29]
        assert ask(f"{STORE}/{stream}/0").body == ask(f"{STORE}/{stream}/1001").body == b"null"


def test_dates_rise_with_the_ids_over_three_years() -> None:
    times = [time(cart) for cart in get(f"{STORE}/carts")]
    assert times == sorted(times)
    assert times[0] == datetime(2022, 1, 1, tzinfo=UTC)
    assert datetime(2024, 12, 30, tzinfo=UTC) < times[-1] < datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("orders", "number"),
    [(1, 1), (7, 1), (7, 2), (7, 7), (1000, 500), (1000, 1000), (999_983, 2), (999_983, 999_983)],
)
def test_a_window_that_begins_at_a_carts_date_holds_it_and_one_that_ends_there_does_not(
    orders: int, number: int
) -> None:
    store = SyntheticStore(7, orders, RECORDINGS)
    date = time(json.loads(next(store.records("carts", range(number, number + 1)))))
    assert number in store.ids_between(date, date + timedelta(seconds=1))
    assert number not in store.ids_between(None, date)
    assert number not in store.ids_between(date + timedelta(microseconds=1), None)
    assert number in store.ids_between(None, date + timedelta(microseconds=1))


def test_windows_of_dates_are_filtered_as_fakestore_filters_and_paged() -> None:
    expected = [c for c in get(f"{STORE}/carts") if "2022-03-01" <= c["date"][:10] < "2022-06-01"]
    window = "startdate=2022-03-01&enddate=2022-06-01"
    assert expected
    assert get(f"{STORE}/carts?{window}") == expected
    assert get(f"{STORE}/carts?{window}&page=2&limit=10") == expected[10:20]
    assert get(f"{STORE}/carts?{window}&sort=desc&limit=1") == expected[-1:]


@pytest.mark.parametrize("window", ["", "2022-01-01/2022-02-01", "2021-01-01/2022-01-01", "2024-12-01/2030-01-01"])
def test_the_totals_are_what_the_served_records_add_up_to(window: str) -> None:
    start, _, end = window.partition("/")
    query = f"startdate={start}&enddate={end}"
    price = {product["id"]: product["price"] for product in get(f"{STORE}/products")}
    carts = get(f"{STORE}/carts?{query}")
    lines = [line for cart in carts for line in cart["products"]]
    assert get(f"{STORE}/totals?{query}") == {
        "carts": len(carts),
        "lines": len(lines),
        "units": sum(line["quantity"] for line in lines),
        "products_sold": len({line["productId"] for line in lines}),
        "buyers": len({cart["userId"] for cart in carts}),
        "revenue": str(sum((line["quantity"] * Decimal(price[line["productId"]]) for line in lines), Decimal(0))),
    }


def test_the_cache_keeps_the_last_used_pages_within_its_bound() -> None:
    cache, rendered = PageCache(capacity=10), list[str]()

    def page(key: str, size: int) -> bytes:
        def render() -> Reply:
            rendered.append(key)
            return Reply(body=b"x" * size)

        return cache.get(key, render).body

    small = [(key, 4) for key in "abacab"]
    for key, size in [*small, ("huge", 11), ("huge", 11), ("a", 4), ("b", 4)]:
        assert page(key, size) == b"x" * size
    # "huge" fits in no cache, and so drives nothing out of it.
    assert rendered == ["a", "b", "c", "b", "huge", "huge"]


def test_a_page_from_the_cache_is_the_page() -> None:
    application = Application(RECORDINGS, cache_bytes=1_000_000)
    request = Request.of("GET", f"{STORE}/carts?page=2&limit=10", {}, b"")
    first, second = (application.deliver(request).reply for _ in range(2))
    assert first.body == second.body == ask(f"{STORE}/carts?page=2&limit=10").body
