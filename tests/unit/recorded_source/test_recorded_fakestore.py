"""Each endpoint's behaviour, without a socket."""

import json
from typing import Any

import pytest
from recorded_source.application import Application
from recorded_source.messages import JSON, Reply, Request
from recorded_source.recordings import Recordings

RECORDINGS = Recordings()


def ask(target: str, method: str = "GET", **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Application(RECORDINGS).deliver(Request.of(method, target, names, b"")).reply


def get(target: str) -> Any:
    reply = ask(target)
    assert (reply.status, reply.headers["Content-Type"]) == (200, JSON)
    return json.loads(reply.body)


def ids(target: str) -> list[int]:
    return [record["id"] for record in get(target)]


@pytest.mark.parametrize(("stream", "count"), [("products", 20), ("users", 10), ("carts", 7)])
def test_a_list_holds_every_record_in_order_of_id(stream: str, count: int) -> None:
    assert get(f"/{stream}") == list(RECORDINGS[stream])
    assert ids(f"/{stream}") == list(range(1, count + 1))


@pytest.mark.parametrize("stream", ["products", "users", "carts"])
def test_an_item_is_its_record_and_an_unknown_id_is_null_with_200(stream: str) -> None:
    assert get(f"/{stream}/3") == RECORDINGS[stream][2]
    assert ask(f"/{stream}/999").body == b"null"
    assert get(f"/{stream}/none") is None


def test_categories_are_the_four_in_alphabetical_order() -> None:
    assert get("/products/categories") == ["electronics", "jewelery", "men's clothing", "women's clothing"]


def test_a_category_lists_its_products_and_takes_sort_and_limit() -> None:
    assert ids("/products/category/men's%20clothing") == [1, 2, 3, 4]
    assert ids("/products/category/jewelery?sort=desc&limit=2") == [8, 7]
    assert get("/products/category/garden") == []


@pytest.mark.parametrize("stream", ["products", "users", "carts"])
def test_limit_is_applied_after_the_sort(stream: str) -> None:
    last = len(RECORDINGS[stream])
    assert ids(f"/{stream}?limit=2") == [1, 2]
    assert ids(f"/{stream}?sort=desc&limit=2") == [last, last - 1]


@pytest.mark.parametrize("limit", ["", "0", "many", "NaN", "Infinity", "3&limit=4"])
def test_a_limit_that_is_no_number_limits_nothing(limit: str) -> None:
    assert len(get(f"/products?limit={limit}")) == 20


@pytest.mark.parametrize(("limit", "count"), [("-3", 3), ("2.9", 2), ("1e1", 10), ("500", 20)])
def test_a_limit_is_taken_as_javascript_and_mongodb_take_it(limit: str, count: int) -> None:
    assert len(get(f"/products?limit={limit}")) == count


def test_any_sort_but_desc_ascends() -> None:
    assert ids("/carts?sort=DESC") == ids("/carts?sort=upwards") == ids("/carts?sort=asc") == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("startdate=2020-03-01", [1, 3, 5, 6, 7]),
        ("enddate=2020-03-01", [2, 4]),
        ("startdate=2020-01-02&enddate=2020-03-01", [2]),
        ("startdate=2020-03-02&enddate=2020-03-02", []),
        ("startdate=2020-03-01T00:00:00.001Z&enddate=2020-03-02T00:00:00.001Z", [1]),
        ("startdate=2020-03-02T01:00:00%2B01:00", [1]),
        ("startdate=&enddate=", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_startdate_is_inclusive_and_enddate_exclusive(window: str, expected: list[int]) -> None:
    assert ids(f"/carts?{window}") == expected


def test_a_users_carts_take_dates_but_neither_sort_nor_limit() -> None:
    assert ids("/carts/user/1") == [1, 2]
    assert ids("/carts/user/1?enddate=2020-03-01") == [2]
    assert ids("/carts/user/1?sort=desc&limit=1") == [1, 2]
    assert get("/carts/user/999") == []


def test_a_date_that_is_none_is_refused_and_named() -> None:
    reply = ask("/carts?startdate=yesterday")
    assert reply.status == 400
    assert "startdate='yesterday'" in json.loads(reply.body)["error"]


def test_an_unknown_path_is_expresss_404_page_and_a_trailing_slash_is_not_unknown() -> None:
    reply = ask("/prodcuts/<b>")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"Cannot GET /prodcuts/&lt;b&gt;" in reply.body
    assert ids("/users/?limit=1") == [1]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_is_refused(method: str) -> None:
    assert (ask("/products/1", method).status, ask("/products/1", method).headers["Allow"]) == (
        405,
        "GET, HEAD",
    )


def test_a_client_that_has_the_body_already_gets_304() -> None:
    tag = ask("/products").headers["ETag"]
    assert (ask("/products", if_none_match=tag).status, ask("/products", if_none_match=tag).body) == (
        304,
        b"",
    )
    assert ask("/products?limit=3", if_none_match=tag).status == 200


def test_the_entity_tag_is_the_one_that_express_computes() -> None:
    # As Express servers of many projects have sent them for these two bodies.
    assert Reply.json(None).etag == 'W/"4-K+iMpCQsduglOsYkdIUQZQMtaDM"'
    assert Reply.json([]).etag == 'W/"2-l9Fw4VUO7kr8CvBlt4zaMCqXZ0w"'
