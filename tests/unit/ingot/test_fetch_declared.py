"""What source.yaml may say about asking: read strictly, and held to itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingot.errors import ConfigurationError
from ingot.request import (
    ApiKey,
    Basic,
    Bearer,
    LinkHeader,
    NextCursor,
    NextUrl,
    OAuth2ClientCredentials,
    Offset,
    PageNumber,
)
from ingot.sources import Source, load_source

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "fakestore"
    folder.mkdir()
    shutil.copy(ROOT / "sources" / "fakestore" / "carts.odcs.yaml", folder)
    return folder


def declared(folder: Path, stream: dict[str, Any] | None = None, **source: Any) -> Source:
    entry = {
        "name": "fakestore",
        "title": "A shop",
        "schedule": "@daily",
        "start_date": "2022-01-01",
        "base_url": "https://shop.example",
        "streams": {"carts": {"path": "/carts", "mode": "interval", **(stream or {})}},
        **source,
    }
    (folder / "source.yaml").write_text(yaml.safe_dump(entry))
    return load_source(folder)


@pytest.mark.parametrize(
    ("auth", "read"),
    [
        ({"type": "api_key", "header": "X-Api-Key"}, ApiKey(header="X-Api-Key", field="api_key")),
        ({"type": "api_key", "query": "key", "field": "k"}, ApiKey(query="key", field="k")),
        ({"type": "bearer"}, Bearer(field="token", scheme="Bearer")),
        ({"type": "basic"}, Basic(username_field="username", password_field="password")),
        (
            {"type": "oauth2_client_credentials", "token_url": "/token", "scope": "a b"},
            OAuth2ClientCredentials(token_url="/token", scope="a b", send_in="header"),
        ),
    ],
)
def test_every_kind_of_auth_is_read(folder: Path, auth: dict[str, Any], read: object) -> None:
    assert declared(folder, auth=auth).auth == read


@pytest.mark.parametrize(
    ("pagination", "read"),
    [
        ({"type": "page", "param": "p", "start": 0}, PageNumber(param="p", start=0)),
        ({"type": "offset", "total_records": "total"}, Offset(param="offset", total_records="total")),
        ({"type": "cursor", "param": "c", "next": "meta.next"}, NextCursor(param="c", next="meta.next")),
        ({"type": "link_header", "max_pages": 9}, LinkHeader(max_pages=9)),
        ({"type": "next_url", "next": "links.next"}, NextUrl(next="links.next")),
    ],
)
def test_every_kind_of_pagination_is_read(folder: Path, pagination: dict[str, Any], read: object) -> None:
    stream = declared(folder, {"pagination": pagination, "records": "data"}).stream("carts")
    assert (stream.pagination, stream.records) == (read, "data")


@pytest.mark.parametrize(
    "source",
    [
        {"auth": {"type": "digest"}},
        {"auth": {"type": "bearer", "token": "abc"}},
        {"auth": {"type": "api_key"}},
        {"auth": {"type": "api_key", "header": "a", "query": "b"}},
        {"auth": {"type": "api_key", "header": "a", "value": "abc"}},
        {"auth": {"type": "oauth2_client_credentials"}},
        {"auth": {"type": "oauth2_client_credentials", "token_url": "/t", "client_secret": "abc"}},
        {"request": {"attempts": 0}},
        {"request": {"concurrency": 0}},
        {"request": {"requests_per_second": 0}},
        {"request": {"deadline_seconds": -1}},
        {"request": {"retries": 3}},
        {"stream": {"pagination": {"type": "pages"}}},
        {"stream": {"pagination": {"type": "page", "size": 3}}},
        {"stream": {"pagination": {"type": "cursor", "param": "c"}}},
        {"stream": {"pagination": {"type": "link_header", "max_pages": 0}}},
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(folder: Path, source: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.yaml is no source"):
        declared(folder, **source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"base_url": "http://shop.example", "auth": {"type": "bearer"}}, "credentials over plain HTTP"),
        ({"base_url": "https://me:word@shop.example"}, "credentials in an address"),
        ({"auth": {"type": "oauth2_client_credentials", "token_url": "http://a/t"}}, "credentials over plain HTTP"),
        ({"auth": {"type": "oauth2_client_credentials", "token_url": "token"}}, "neither a URL nor a path"),
        ({"stream": {"headers": {"authorization": "abc"}}}, "carries credentials"),
        ({"stream": {"headers": {"X-A": "b\n"}}}, "cannot be sent"),
        ({"stream": {"headers": {"X A": "b"}}}, "cannot be sent"),
        ({"stream": {"headers": {"Cookie": "abc"}}}, "carries credentials"),
        (
            {"auth": {"type": "api_key", "header": "X-Api-Key"}, "stream": {"headers": {"x-api-key": "abc"}}},
            "carries credentials",
        ),
        ({"auth": {"type": "api_key", "query": "key"}, "stream": {"params": {"key": "abc"}}}, "parameter key twice"),
        ({"stream": {"pagination": {"type": "page"}, "params": {"page": "1"}}}, "parameter page twice"),
        ({"stream": {"pagination": {"type": "next_url", "next": "links.next"}}}, "and no records"),
        ({"stream": {"pagination": {"type": "offset", "total_records": "total"}}}, "and no records"),
        ({"stream": {"records": "data..items"}}, "leads nowhere"),
        ({"stream": {"records": "data", "pagination": {"type": "next_url", "next": 'a."b"'}}}, "leads nowhere"),
        (
            {"stream": {"records": "d", "pagination": {"type": "page", "total_pages": "a", "total_records": "b"}}},
            "two totals",
        ),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(folder: Path, source: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        declared(folder, **source)
    assert caught.value.hint
    assert "abc" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_plain_http_is_for_loopback(folder: Path) -> None:
    assert declared(folder, base_url="http://127.0.0.1:8080", auth={"type": "bearer"}).auth == Bearer()
