"""Credentials: they reach the source, and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from recorded_source.guards import API_KEY, BEARER_TOKEN, CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME
from recorded_source.source import RecordedSource

from ingot.attempt import attempt
from ingot.errors import ConfigurationError, PayloadBroken, SourceRefused, SourceUnavailable
from ingot.fetch.answers import translated
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from conftest import Api, Buckets

Secret = Callable[..., str]

OAUTH = {"type": "oauth2_client_credentials", "token_url": "/oauth/token"}
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

# What is declared, and what the secret holds.
STYLES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "key in a header": ("api_key", {"type": "api_key", "header": "X-Api-Key"}, {"api_key": API_KEY}),
    "key in the query": ("api_key", {"type": "api_key", "query": "api_key", "field": "k"}, {"k": API_KEY}),
    "bearer": ("bearer", {"type": "bearer"}, {"token": BEARER_TOKEN}),
    "basic": ("basic", {"type": "basic"}, {"username": USERNAME, "password": PASSWORD}),
    "oauth2": ("oauth2", OAUTH, CLIENT),
    "oauth2 by body": ("oauth2", OAUTH | {"send_in": "body", "scope": "read", "params": {"audience": "a"}}, CLIENT),
}
NEXT = {"records": "results", "pagination": {"type": "next_url", "next": "links.next"}, "params": {"limit": "10"}}


def path(style: str) -> str:
    return f"/auth/{style}/paged/next/synthetic/7/43/carts"


@pytest.fixture
def nothing_leaks(api: Api, caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """No credential in any log line, down to DEBUG, nor in what a test adds: texts of pages and errors."""
    texts: list[str] = []
    caplog.set_level(logging.DEBUG)
    yield texts
    # botocore writes every answer of AWS down at DEBUG, this test's own writing of the secret included.
    records = [r for r in caplog.get_records("call") if r.levelno > logging.DEBUG or not r.name.startswith("botocore")]
    assert {record.levelno for record in records} >= {logging.DEBUG}
    texts += [record.getMessage() for record in records]
    for credential in (API_KEY, BEARER_TOKEN, PASSWORD, CLIENT_SECRET, *api.recorded.tokens):
        assert not [text for text in texts if credential in text]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_credentials_opens_the_source(
    api: Api, secret: Secret, style: str, nothing_leaks: list[str]
) -> None:
    guard, auth, fields = STYLES[style]
    source = api.source(path(guard), auth=auth, **NEXT)
    pages = list(api.pages(source, secret=secret(**fields)))
    assert [record for page in pages for record in page.records] == api.carts(43)
    nothing_leaks += [page.url for page in pages]
    if style == "key in the query":
        assert pages[0].url.endswith("/carts?limit=10&api_key=***") or pages[0].url.endswith("/carts?limit=10")
        assert "api_key=***" in pages[1].url  # the source's own next URL repeats it


@pytest.mark.parametrize("style", STYLES)
def test_wrong_credentials_are_a_final_refusal_that_names_the_secret_and_not_its_values(
    api: Api, secret: Secret, style: str, nothing_leaks: list[str]
) -> None:
    guard, auth, fields = STYLES[style]
    source = api.source(path(guard), auth=auth, **NEXT)
    wrong = {name: f"{value}-not" for name, value in fields.items()}
    with pytest.raises(SourceRefused, match="answered 401") as caught:
        list(api.pages(source, secret=secret(**wrong)))
    nothing_leaks += [str(caught.value), str(caught.value.url), caught.value.verdict]
    assert "secret" in caught.value.hint
    assert len(api.asked) == 1
    assert not [value for value in wrong.values() if value in nothing_leaks[0]]


@pytest.mark.parametrize("fault", [{"status": 502}, {"cut_off": 5}, {"hang": True}, {"reset": True}, {"trickle": 0.05}])
def test_a_failure_does_not_show_the_key_that_stands_in_the_address(
    api: Api, secret: Secret, no_waiting: None, fault: dict[str, Any], nothing_leaks: list[str]
) -> None:
    guard, auth, fields = STYLES["key in the query"]
    source = api.source(path(guard), auth=auth, request={"timeout_seconds": 0.3, "deadline_seconds": 1}, **NEXT)
    api.recorded.misbehave(after=1, **fault)
    with pytest.raises((SourceUnavailable, PayloadBroken)) as caught:
        list(api.pages(source, secret=secret(**fields)))
    error: BaseException | None = caught.value
    while error is not None:
        nothing_leaks.append(f"{error} {error!r} {getattr(error, 'url', '')}")
        error = error.__cause__ or error.__context__
    assert "api_key=***" in nothing_leaks[0]


@pytest.mark.parametrize("style", ["key in the query", "oauth2", "basic"])
def test_nothing_that_an_extract_writes_holds_a_credential(
    api: Api, secret: Secret, buckets: Buckets, style: str, nothing_leaks: list[str]
) -> None:
    import boto3

    guard, auth, fields = STYLES[style]
    source = api.source(path(guard), auth=auth, **NEXT)
    bronze = ObjectStore(buckets.bronze)
    name = secret(**fields)
    late = replace(api.batch, interval_start=api.batch.interval_end, interval_end=datetime(2026, 1, 1, tzinfo=UTC))
    with attempt(bronze, api.batch, "extract") as record:
        extract(api.batch, source=source, bronze=bronze, as_of=late.interval_end, record=record, secret=name)
    assert record.accepted == 43
    api.recorded.misbehave(status=403)
    with pytest.raises(SourceRefused), attempt(bronze, late, "extract") as record:
        extract(late, source=source, bronze=bronze, as_of=late.interval_end, record=record, secret=name)
    s3 = boto3.client("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=buckets.bronze)["Contents"]]
    assert {key.partition("/")[0] for key in keys} >= {"manifests", "attempts"}
    for key in keys:
        if key.endswith(".json"):
            nothing_leaks.append(s3.get_object(Bucket=buckets.bronze, Key=key)["Body"].read().decode())


# ---- secrets that cannot be used ---------------------------------------------------------------------------------


def test_declared_credentials_without_a_secret_ask_for_nothing(api: Api) -> None:
    with pytest.raises(ConfigurationError, match="was given no secret"):
        list(api.pages(api.source(path("bearer"), auth={"type": "bearer"}, **NEXT)))
    assert api.asked == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "has no text in its field token"),
        ({"token": ""}, "has no text in its field token"),
        ({"token": 7}, "has no text in its field token"),
        ({"token": f"{BEARER_TOKEN}\n"}, "what no header can carry"),
        ({"token": f"{BEARER_TOKEN} "}, "what no header can carry"),
        ({"token": f"{BEARER_TOKEN}é"}, "what no header can carry"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_refused_without_showing_it(
    api: Api, secret: Secret, fields: dict[str, Any], message: str, nothing_leaks: list[str]
) -> None:
    source = api.source(path("bearer"), auth={"type": "bearer"}, **NEXT)
    with pytest.raises(ConfigurationError, match=message) as caught:
        list(api.pages(source, secret=secret(**fields)))
    nothing_leaks.append(str(caught.value))
    assert api.asked == []


def test_a_secret_that_does_not_exist_is_a_configuration_error(api: Api, cloud: str) -> None:
    source = api.source(path("bearer"), auth={"type": "bearer"}, **NEXT)
    with pytest.raises(ConfigurationError, match="nowhere cannot be read: ResourceNotFoundException"):
        list(api.pages(source, secret="nowhere"))


def test_secrets_manager_that_does_not_answer_is_worth_another_try(
    api: Api, monkeypatch: pytest.MonkeyPatch, nothing_leaks: list[str]
) -> None:
    """Also when it answers with an error of its own: the recorded source stands in for it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", api.recorded.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    api.recorded.misbehave("/", method="POST", status=400, body={"__type": "ThrottlingException", "message": "slow"})
    source = api.source(path("bearer"), auth={"type": "bearer"}, **NEXT)
    with pytest.raises(SourceUnavailable, match="did not give mine: ThrottlingException") as caught:
        list(api.pages(source, secret="mine"))
    nothing_leaks.append(str(caught.value))


def test_a_secret_that_is_no_object_is_refused_without_showing_it(
    api: Api, cloud: str, nothing_leaks: list[str]
) -> None:
    import boto3

    boto3.client("secretsmanager").create_secret(Name="bare", SecretString=BEARER_TOKEN)
    source = api.source(path("bearer"), auth={"type": "bearer"}, **NEXT)
    with pytest.raises(ConfigurationError, match="bare is no JSON object") as caught:
        list(api.pages(source, secret="bare"))
    nothing_leaks.append(f"{caught.value} {caught.value.__cause__}")


# ---- tokens ------------------------------------------------------------------------------------------------------


def tokens_asked(api: Api) -> int:
    return sum(request.path.endswith("/token") for request in api.recorded.requests)


def refused(api: Api) -> int:
    return sum(request.status == 401 for request in api.recorded.requests)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_token_serves_all_pages(api: Api, secret: Secret, concurrency: int) -> None:
    source = api.source(
        "/auth/oauth2/paged/page/synthetic/7/43/carts",
        auth=OAUTH,
        request={"concurrency": concurrency},
        records="data",
        params={"limit": "5"},
        pagination={"type": "page", "total_pages": "meta.pages"},
    )
    assert len(list(api.pages(source, secret=secret(**CLIENT)))) == 9
    assert tokens_asked(api) == 1


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_token_that_ends_in_the_middle_is_fetched_once_more(
    api: Api, secret: Secret, concurrency: int, nothing_leaks: list[str]
) -> None:
    source = api.source(
        "/auth/oauth2/paged/page/synthetic/7/43/carts",
        auth=OAUTH,
        request={"concurrency": concurrency},
        records="data",
        params={"limit": "5"},
        pagination={"type": "page", "total_pages": "meta.pages"},
    )
    pages = api.pages(source, secret=secret(**CLIENT))
    got = [next(pages)]
    api.recorded.expire_tokens()
    got += list(pages)
    assert tokens_asked(api) == 2
    assert 1 <= refused(api) <= concurrency
    assert [record for page in got for record in page.records] == api.carts(43)
    assert {page.tries for page in got} == {1}
    nothing_leaks += [page.url for page in got]


def test_a_token_is_renewed_before_it_ends(api: Api, secret: Secret) -> None:
    source = api.source(path("oauth2"), auth=OAUTH | {"token_url": "/oauth/1/token"}, **NEXT)
    api.recorded.misbehave("/auth/*", latency=0.4)
    assert len(list(api.pages(source, secret=secret(**CLIENT)))) == 5
    assert tokens_asked(api) > 1
    assert refused(api) == 0


def test_a_source_that_refuses_every_token_is_asked_twice(api: Api, secret: Secret) -> None:
    source = api.source(path("oauth2"), auth=OAUTH, **NEXT)
    api.recorded.misbehave("/auth/*", status=401)
    with pytest.raises(SourceRefused, match="answered 401"):
        list(api.pages(source, secret=secret(**CLIENT)))
    assert [r.path.partition("/paged")[0] for r in api.recorded.requests] == ["/oauth/token", "/auth/oauth2"] * 2


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"reset": True}, {"hang": True}, {"body": "{}"}, {"cut_off": 4}], ids=str
)
def test_a_token_request_that_fails_is_tried_again(
    api: Api, secret: Secret, no_waiting: None, fault: dict[str, Any]
) -> None:
    source = api.source(path("oauth2"), auth=OAUTH, request={"timeout_seconds": 0.5}, **NEXT)
    api.recorded.misbehave("/oauth/*", times=1, **fault)
    pages = list(api.pages(source, secret=secret(**CLIENT)))
    assert [page.tries for page in pages] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("token", ["TOPSECRET ", "\tTOPSECRET", "TOP\nSECRET", " "], ids=repr)
def test_a_token_that_no_header_can_carry_is_no_token_and_is_not_shown(
    api: Api, secret: Secret, no_waiting: None, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = api.source(path("oauth2"), auth=OAUTH, **NEXT)
    api.recorded.misbehave("/oauth/*", body=json.dumps({"access_token": token}))
    with pytest.raises(PayloadBroken, match="sent no token") as error:
        list(api.pages(source, secret=secret(**CLIENT)))
    assert "SECRET" not in "".join(format_exception(error.value))


def test_a_header_that_cannot_be_sent_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="cannot be sent") as error, translated("https://shop.example/carts"):
        raise httpx.LocalProtocolError("Illegal header value b'Bearer TOPSECRET '")
    assert "SECRET" not in "".join(format_exception(error.value))


def test_a_token_service_that_asks_to_wait_is_waited_for(api: Api, secret: Secret) -> None:
    source = api.source(path("oauth2"), auth=OAUTH, **NEXT)
    api.recorded.misbehave("/oauth/*", times=1, status=429, headers={"Retry-After": "1"})
    list(api.pages(source, secret=secret(**CLIENT)))
    first, second = [r.time for r in api.recorded.requests][:2]
    assert (second - first).total_seconds() >= 1


def test_recordings_answer_for_the_token_url_too(api: Api, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded must not send the client's secret to the real place."""
    monkeypatch.setenv("INGOT_SOURCE_URL_SHOP", api.recorded.url)
    auth = OAUTH | {"token_url": "https://login.example.invalid/oauth/token"}
    source = api.source(path("oauth2"), auth=auth, base_url="https://shop.example.invalid", **NEXT)
    assert len(list(api.pages(source, secret=secret(**CLIENT)))) == 5


# ---- other places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_redirect_to_another_place_is_not_followed_with_credentials(
    api: Api, secret: Secret, style: str, nothing_leaks: list[str]
) -> None:
    guard, auth, fields = STYLES[style]
    source = api.source(path(guard), auth=auth, **NEXT)
    with RecordedSource() as other:
        there = f"{other.url}/carts?api_key={API_KEY}"
        api.recorded.misbehave("/auth/*", status=307, headers={"Location": there})
        with pytest.raises(SourceRefused, match="redirects to another place") as caught:
            list(api.pages(source, secret=secret(**fields)))
        assert other.requests == []
    if "query" in style:
        nothing_leaks.append(str(caught.value))
    else:
        nothing_leaks.append(caught.value.hint)


def test_a_redirect_without_credentials_is_followed(api: Api) -> None:
    source = api.source("/moved")
    with RecordedSource() as other:
        api.recorded.misbehave("/moved", status=302, headers={"Location": f"{other.url}/carts"})
        assert [len(page.records) for page in api.pages(source)] == [7]
        assert len(other.requests) == 1


def test_a_redirect_within_the_source_keeps_the_credentials(api: Api, secret: Secret) -> None:
    guard, auth, fields = STYLES["key in a header"]
    source = api.source("/moved", auth=auth, **NEXT)
    api.recorded.misbehave("/moved", status=302, headers={"Location": f"{path(guard)}?limit=10"})
    assert len(list(api.pages(source, secret=secret(**fields)))) == 5


def test_headers_of_the_file_are_sent(api: Api) -> None:
    """Seen by what they do: the recorded source answers 304 without a body to a known entity tag."""
    import httpx

    tag = httpx.get(f"{api.recorded.url}/carts").headers["ETag"]
    with pytest.raises(SourceRefused, match="answered 304"):
        list(api.pages(api.source("/carts", headers={"If-None-Match": tag})))
