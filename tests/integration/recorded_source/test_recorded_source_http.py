"""The source over sockets, as httpx sees it: the golden numbers, and each way of going wrong."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from recorded_source import BadFault, RecordedSource


@pytest.fixture
def source() -> Iterator[RecordedSource]:
    with RecordedSource() as source:
        yield source


@pytest.fixture
def client(source: RecordedSource) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=source.url, timeout=5, trust_env=False) as client:
        yield client


def test_what_is_served_adds_up_to_the_golden_numbers(client: httpx.Client) -> None:
    products, users, carts = (
        client.get(f"/{stream}").raise_for_status().json(parse_float=Decimal)
        for stream in ("products", "users", "carts")
    )
    price = {product["id"]: Decimal(product["price"]) for product in products}
    category = {product["id"]: product["category"] for product in products}
    lines = [line for cart in carts for line in cart["products"]]
    revenue: dict[str, Decimal] = {}
    for line in lines:
        name = category[line["productId"]]
        revenue[name] = revenue.get(name, Decimal(0)) + line["quantity"] * price[line["productId"]]

    assert [len(products), len(users), len(carts), len(lines)] == [20, 10, 7, 14]
    assert sum(line["quantity"] for line in lines) == 42
    assert len({line["productId"] for line in lines}) == 10
    assert len({cart["userId"] for cart in carts}) == 5
    assert sum(revenue.values()) == Decimal("4691.27")
    assert revenue == {
        "men's clothing": Decimal("2646.44"),
        "jewelery": Decimal("1410.98"),
        "electronics": Decimal("624.00"),
        "women's clothing": Decimal("9.85"),
    }


def test_every_cart_is_reached_through_its_item_its_user_and_its_day(client: httpx.Client) -> None:
    carts = client.get("/carts").json()
    for cart in carts:
        day = datetime.fromisoformat(cart["date"])
        window = {"startdate": f"{day:%F}", "enddate": f"{day + timedelta(days=1):%F}"}
        assert client.get(f"/carts/{cart['id']}").json() == cart
        assert cart in client.get(f"/carts/user/{cart['userId']}", params=window).json()
        assert cart in client.get("/carts", params=window).json()


def test_replies_are_compact_json_over_one_connection_kept_alive(client: httpx.Client) -> None:
    replies = [client.get("/carts/7") for _ in range(3)]
    for reply in replies:
        assert reply.http_version == "HTTP/1.1"
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.content == (
            b'{"id":7,"userId":8,"date":"2020-03-01T00:00:00.000Z","products":[{"productId":18,"quantity":1}],"__v":0}'
        )
    streams = {reply.extensions["network_stream"].get_extra_info("client_addr") for reply in replies}
    assert len(streams) == 1


def test_head_sends_the_headers_of_get_and_no_body(client: httpx.Client) -> None:
    head, get = client.head("/products"), client.get("/products")
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(get.content)))
    assert head.headers["ETag"] == get.headers["ETag"]


def test_a_client_that_sends_its_entity_tag_gets_304_and_the_connection_stays_usable(client: httpx.Client) -> None:
    tag = client.get("/users").headers["ETag"]
    again = client.get("/users", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/users").status_code == 200


def test_a_status_with_retry_after_heals_after_its_times(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", status=503, headers={"Retry-After": "1"}, times=2)
    replies = [client.get("/carts") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert [reply.headers.get("Retry-After") for reply in replies] == ["1", "1", None]


def test_latency_delays_the_reply_and_changes_nothing_in_it(source: RecordedSource, client: httpx.Client) -> None:
    swift = client.get("/carts")
    source.misbehave("/carts", latency=0.3)
    begin = time.monotonic()
    slow = client.get("/carts")
    assert time.monotonic() - begin >= 0.3
    assert slow.content == swift.content


def test_a_latency_beyond_the_clients_patience_is_a_read_timeout(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", latency=30)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/carts", timeout=0.2)


@pytest.mark.parametrize("after", [0, 1, 500, 935, 936, 10_000])
def test_a_cut_off_body_is_a_protocol_error_wherever_it_is_cut(
    source: RecordedSource, client: httpx.Client, after: int
) -> None:
    source.misbehave("/carts", cut_off=after, times=1)
    with pytest.raises(httpx.RemoteProtocolError, match=f"received {min(after, 935)} bytes, expected 936"):
        client.get("/carts")
    assert len(client.get("/carts").content) == 936


def test_a_hang_before_the_status_line_is_a_read_timeout(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", hang=True, times=1)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/carts", timeout=0.2)
    assert client.get("/carts").status_code == 200


def test_a_hang_in_the_middle_of_the_body_is_a_read_timeout_after_the_first_bytes(
    source: RecordedSource, client: httpx.Client
) -> None:
    source.misbehave("/carts", hang=True, cut_off=100)
    received = bytearray()

    def read() -> None:
        with client.stream("GET", "/carts", timeout=0.2) as reply:
            for part in reply.iter_raw():
                received.extend(part)

    with pytest.raises(httpx.ReadTimeout):
        read()
    assert len(received) == 100


def test_a_reset_is_a_read_error(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", reset=True, times=1)
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        client.get("/carts")
    assert client.get("/carts").status_code == 200


def test_malformed_json_is_announced_whole_and_cannot_be_decoded(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", malformed={"record": 3})
    reply = client.get("/carts")
    assert reply.status_code == 200
    with pytest.raises(ValueError, match="property name"):
        reply.json()


def test_a_changed_payload_has_the_same_ids(source: RecordedSource, client: httpx.Client) -> None:
    before = client.get("/products").json()
    source.misbehave("/products", replace_with="products_2025")
    after = client.get("/products").json()
    assert [product["id"] for product in after] == [product["id"] for product in before]
    assert all(product["image"].endswith("t.png") for product in after)
    source.behave()
    assert client.get("/products").json() == before


def test_a_fault_on_one_page_leaves_the_others(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/synthetic/*/carts", query={"page": "2"}, set_field={"id": 15, "field": "userId", "value": "x"})
    pages = [client.get("/synthetic/7/100/carts", params={"page": page, "limit": 10}).json() for page in (1, 2, 3)]
    assert [cart["id"] for page in pages for cart in page if cart["userId"] == "x"] == [15]


def test_the_requests_served_are_noted_in_order_with_what_was_asked_and_answered(
    source: RecordedSource, client: httpx.Client
) -> None:
    assert source.requests == []
    client.get("/carts", params={"startdate": "2020-01-01"})
    source.misbehave("/products", status=502)
    client.get("/products")
    source.misbehave("/users", reset=True)
    with pytest.raises(httpx.ReadError):
        client.get("/users")
    noted = [(r.method, r.path, r.query, r.status) for r in source.requests]
    assert noted == [
        ("GET", "/carts", "startdate=2020-01-01", 200),
        ("GET", "/products", "", 502),
        ("GET", "/users", "", None),
    ]
    assert abs(datetime.now(UTC) - source.requests[0].time) < timedelta(minutes=1)
    source.forget_requests()
    assert source.requests == []


def test_a_request_that_hangs_is_noted_as_never_answered(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", hang=True)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/carts", timeout=0.2)
    while not source.requests:  # the client's patience may be over before the request is read
        time.sleep(0.01)
    assert [(r.path, r.status) for r in source.requests] == [("/carts", None)]


def test_the_control_path_tells_shows_and_clears_rules_and_requests(
    source: RecordedSource, client: httpx.Client
) -> None:
    rules = [{"path": "/carts", "status": 502, "times": 2}, {"path": "/users", "duplicate": {"id": 1}}]
    assert client.post("/_control/faults", json=rules).json() == {"told": 2}
    assert client.get("/carts").status_code == 502
    assert len(client.get("/users").json()) == 11
    shown = client.get("/_control/faults").json()
    assert shown == [{"rule": rules[0], "applied": 1}, {"rule": rules[1], "applied": 1}]

    noted = client.get("/_control/requests").json()
    assert [(r["method"], r["path"], r["status"]) for r in noted] == [("GET", "/carts", 502), ("GET", "/users", 200)]
    assert client.delete("/_control/requests").status_code == 204
    assert client.get("/_control/requests").json() == []

    assert client.delete("/_control/faults").status_code == 204
    assert client.get("/_control/faults").json() == []
    assert client.get("/carts").status_code == 200
    assert client.get("/_control/health").json() == {"status": "ok"}


def test_the_control_path_answers_while_everything_else_fails(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave(reset=True)
    with pytest.raises(httpx.ReadError):
        client.get("/carts")
    assert client.delete("/_control/faults").status_code == 204
    assert client.get("/carts").status_code == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "Expecting"), (b'"502"', "JSON object"), (b'{"stauts": 502}', "has no stauts"), (b"[{}]", "does nothing")],
)
def test_a_rule_that_cannot_be_understood_is_answered_with_400_and_the_reason(
    source: RecordedSource, client: httpx.Client, body: bytes, reason: str
) -> None:
    reply = client.post("/_control/faults", content=body)
    assert reply.status_code == 400
    assert reason in reply.json()["error"]
    assert client.get("/_control/faults").json() == []


def test_an_unknown_control_path_is_answered_with_those_there_are(client: httpx.Client) -> None:
    reply = client.get("/_control/fault")
    assert reply.status_code == 404
    assert "faults" in reply.json()["error"]


def test_a_wrong_rule_is_refused_in_process_too(source: RecordedSource) -> None:
    with pytest.raises(BadFault, match="stauts"):
        source.misbehave("/carts", stauts=502)


def test_connections_are_served_side_by_side(source: RecordedSource, client: httpx.Client) -> None:
    source.misbehave("/carts", latency=0.4)
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:  # of one client, as what each makes for TLS takes longer than an answer
        lengths = list(pool.map(lambda _: len(client.get("/carts").json()), range(8)))
    assert lengths == [7] * 8
    assert time.monotonic() - begin < 8 * 0.4


def test_a_large_page_arrives_whole(client: httpx.Client) -> None:
    whole = client.get("/synthetic/7/20000/carts").json()
    assert [cart["id"] for cart in whole] == list(range(1, 20_001))


def test_closing_ends_connections_that_hang_idle_or_wait() -> None:
    with RecordedSource() as source, ThreadPoolExecutor(2) as pool, httpx.Client(trust_env=False) as idle:
        idle.get(f"{source.url}/carts/1")
        source.misbehave("/carts", hang=True)
        source.misbehave("/users", latency=60)
        waiting = [
            pool.submit(httpx.get, f"{source.url}/{name}", timeout=30, trust_env=False) for name in ("carts", "users")
        ]
        while len(source.requests) < 3:
            time.sleep(0.01)
        begin = time.monotonic()
        source.close()
        assert time.monotonic() - begin < 5
        assert all(isinstance(request.exception(timeout=5), httpx.TransportError) for request in waiting)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{source.url}/carts", trust_env=False)


def test_a_trickle_is_whole_and_slow_from_its_first_byte(source: RecordedSource, client: httpx.Client) -> None:
    swift = client.get("/carts/7")
    source.misbehave("/carts/7", trickle=0.001, times=1)
    begin = time.monotonic()
    slow = client.get("/carts/7")
    assert time.monotonic() - begin >= 0.001 * (len(slow.content) + 100)  # the head is longer than 100 bytes
    assert slow.content == swift.content
