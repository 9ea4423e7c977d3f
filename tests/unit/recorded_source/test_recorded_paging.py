"""Pages, guards and limits of the recorded source: the same records through every style of API."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from recorded_source import Recordings
from recorded_source.application import Application
from recorded_source.guards import API_KEY, BEARER_TOKEN, CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME
from recorded_source.messages import Reply, Request

RECORDINGS = Recordings()


class Client:
    """Asks one application."""

    def __init__(self) -> None:
        self.application = Application(RECORDINGS)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
        headers = {"host": "shop:80"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.application.deliver(Request.of(method, target, headers, body)).reply

    def get(self, target: str, **headers: str) -> Any:
        reply = self.ask(target, **headers)
        assert reply.status == 200, reply
        return json.loads(reply.body)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("path", ["carts", "users", "products/category/electronics", "synthetic/7/23/carts"])
@pytest.mark.parametrize("limit", [1, 3, 6, 100])
def test_the_pages_of_every_style_join_to_the_whole_list(client: Client, path: str, limit: int) -> None:
    whole = client.get(f"/{path}")
    pages = -(-len(whole) // limit)
    by_page = [client.get(f"/paged/page/{path}?limit={limit}&page={n}") for n in range(1, pages + 1)]
    assert [record for page in by_page for record in page["data"]] == whole
    assert [page["meta"] for page in by_page] == [
        {"page": n, "pages": pages, "total": len(whole)} for n in range(1, pages + 1)
    ]
    by_offset = [client.get(f"/paged/offset/{path}?limit={limit}&offset={n * limit}") for n in range(pages)]
    assert [record for page in by_offset for record in page["items"]] == whole
    assert {page["total"] for page in by_offset} == {len(whole)}

    found, target = [], f"/paged/cursor/{path}?limit={limit}"
    while target:
        page = client.get(target)
        found += page["data"]["items"]
        assert page["meta"]["has_more"] == (page["meta"]["next_cursor"] is not None)
        cursor = urlencode({"limit": limit, "cursor": page["meta"]["next_cursor"]})
        target = f"/paged/cursor/{path}?{cursor}" if page["meta"]["has_more"] else ""
    assert found == whole

    found, target = [], f"/paged/next/{path}?limit={limit}"
    while target:
        page = client.get(target)
        found += page["results"]
        target = (page["links"]["next"] or "").removeprefix("http://shop:80")
    assert found == whole

    found, target = [], f"/paged/link/{path}?limit={limit}"
    while target:
        reply = client.ask(target)
        found += json.loads(reply.body)
        links = dict(reversed(link.split("; ")) for link in reply.headers["Link"].split(", "))
        target = links.get('rel="next"', "").removeprefix("<http://shop:80").removesuffix(">")
    assert found == whole


def test_a_page_keeps_the_bytes_of_its_records_and_the_lists_own_arguments(client: Client) -> None:
    window = "startdate=2020-01-01&enddate=2020-03-02"
    carts = client.ask(f"/carts?{window}").body
    assert client.ask(f"/paged/offset/carts?{window}").body.startswith(b'{"items":%b,' % carts)
    page = client.get(f"/paged/next/carts?{window}&limit=1")
    assert f"{window}&limit=1&after=1" in page["links"]["next"]


def test_a_page_holds_a_thousand_at_most(client: Client) -> None:
    assert len(client.get("/paged/page/synthetic/7/1500/carts?limit=9999")["data"]) == 1000


@pytest.mark.parametrize(
    "target",
    [
        "/paged/page/carts?page=0",
        "/paged/offset/carts?offset=-1",
        "/paged/cursor/carts?cursor=5",
        "/paged/link/carts?after=x",
    ],
)
def test_a_place_that_is_none_is_refused(client: Client, target: str) -> None:
    assert client.ask(target).status == 400


@pytest.mark.parametrize(
    "target", ["/paged/spiral/carts", "/paged/page/products/1", "/paged/page/nothing", "/paged/page"]
)
def test_what_is_no_list_has_no_pages(client: Client, target: str) -> None:
    assert client.ask(target).status == 404


def test_edits_reach_the_records_inside_their_envelope(client: Client) -> None:
    client.application.tell({"path": "/paged/*", "patch": {"id": 2, "merge": {"userId": "x"}}})
    page = client.get("/paged/page/carts?limit=3")
    assert [cart["userId"] for cart in page["data"]] == [1, "x", 2]
    client.application.tell({"path": "/paged/*", "drop_field": {"id": 2, "field": "no"}})
    assert client.ask("/paged/page/carts?limit=3").status == 500


def basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("style", "target", "headers"),
    [
        ("api_key", "carts", {"x_api_key": API_KEY}),
        ("api_key", f"carts?api_key={API_KEY}", {}),
        ("bearer", "carts", {"authorization": f"Bearer {BEARER_TOKEN}"}),
        ("basic", "carts", {"authorization": basic(USERNAME, PASSWORD)}),
    ],
)
def test_credentials_open_what_is_shut_without_them(
    client: Client, style: str, target: str, headers: dict[str, str]
) -> None:
    assert len(client.get(f"/auth/{style}/{target}", **headers)) == 7
    assert client.ask(f"/auth/{style}/carts").status == 401
    wrong = {name: value + "x" for name, value in headers.items()}
    assert client.ask(f"/auth/{style}/carts", **wrong).status == 401
    assert client.ask(f"/auth/oauth2/{target}", **headers).status == 401


def token(client: Client, path: str = "/oauth/token", **form: str) -> Reply:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | form
    return client.ask(path, "POST", urlencode(form).encode())


def test_a_token_opens_until_it_ends(client: Client) -> None:
    granted = json.loads(token(client).body)
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    bearer = {"authorization": f"Bearer {granted['access_token']}"}
    assert len(client.get("/auth/oauth2/carts", **bearer)) == 7
    assert client.ask("/_control/tokens", "DELETE").status == 204
    assert client.ask("/auth/oauth2/carts", **bearer).status == 401
    ended = json.loads(token(client, "/oauth/0/token").body)
    assert client.ask("/auth/oauth2/carts", authorization=f"Bearer {ended['access_token']}").status == 401


def test_a_client_may_say_who_it_is_in_the_header(client: Client) -> None:
    body = b"grant_type=client_credentials"
    assert client.ask("/oauth/token", "POST", body, authorization=basic(CLIENT_ID, CLIENT_SECRET)).status == 200
    assert client.ask("/oauth/token", "POST", body, authorization=basic(CLIENT_ID, "no")).status == 401


def test_a_token_is_not_for_everybody(client: Client) -> None:
    assert token(client, client_secret="no").status == 401
    assert token(client, grant_type="password").status == 400
    assert client.ask("/oauth/token").status == 405


def test_who_asks_too_often_is_told_to_wait(client: Client) -> None:
    statuses = [client.ask("/limited/3/60/carts").status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert 58 <= int(client.ask("/limited/3/60/carts").headers["Retry-After"]) <= 60
    until = parsedate_to_datetime(client.ask("/limited/3/60/date/carts").headers["Retry-After"])
    assert timedelta(seconds=55) < until - datetime.now(UTC) < timedelta(seconds=62)
    assert client.ask("/limited/4/60/carts").status == 200  # each limit counts for itself


def test_guards_and_pages_stand_before_each_other(client: Client) -> None:
    page = client.get("/limited/9/9/auth/bearer/paged/next/carts?limit=2", authorization=f"Bearer {BEARER_TOKEN}")
    assert "/limited/9/9/auth/bearer/paged/next/carts?limit=2&after=2" in page["links"]["next"]
