"""Limits: waits that are asked for, deadlines that hold against any server, and no more requests than allowed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ingot.errors import PayloadBroken, SourceRefused, SourceUnavailable
from ingot.fetch.auth import trusted

if TYPE_CHECKING:
    from conftest import Api

PAGES: dict[str, Any] = {
    "path": "/paged/page/synthetic/7/43/carts",
    "params": {"limit": "10"},
    "records": "data",
    "pagination": {"type": "page", "total_pages": "meta.pages"},
}


def begins(api: Api) -> list[float]:
    return [request.time.timestamp() for request in api.recorded.requests]


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_is_asked_for_is_waited(api: Api, status: int) -> None:
    api.recorded.misbehave(query={"page": "3"}, status=status, headers={"Retry-After": "1"}, times=1)
    pages = list(api.pages(api.source(**PAGES)))
    assert [page.tries for page in pages] == [1, 1, 2, 1, 1]
    refused, again = [r.time for r in api.recorded.requests if r.query == "limit=10&page=3"]
    assert 1 <= (again - refused).total_seconds() < 4


def test_a_wait_until_a_date_is_held_against_the_sources_own_clock(api: Api) -> None:
    theirs = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    dates = {name: format_datetime(theirs + timedelta(seconds=s), usegmt=True) for name, s in (("now", 0), ("then", 1))}
    api.recorded.misbehave(status=503, headers={"Date": dates["now"], "Retry-After": dates["then"]}, times=1)
    list(api.pages(api.source(**PAGES)))
    first, second = begins(api)[:2]
    assert 1 <= second - first < 4


@pytest.mark.parametrize("form", ["", "date/"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_limited_source_is_read_whole_in_its_own_time(api: Api, form: str, concurrency: int) -> None:
    """Three requests a second, five pages: whoever is told to wait holds back the others too."""
    declared = PAGES | {"path": f"/limited/3/1/{form}paged/page/synthetic/7/43/carts"}
    pages = list(api.pages(api.source(**declared, request={"concurrency": concurrency, "attempts": 5})))
    assert b"".join(record for page in pages for record in page.records) == b"".join(api.carts(43))
    assert max(page.tries for page in pages) == 2


def test_a_wait_that_is_asked_for_holds_back_those_who_have_not_asked_yet(api: Api) -> None:
    source = api.source(**PAGES, request={"requests_per_second": 4, "concurrency": 4})
    api.recorded.misbehave(query={"page": "2"}, status=429, headers={"Retry-After": "1"}, times=1)
    assert [page.tries for page in api.pages(source)] == [1, 2, 1, 1, 1]
    _, refused, *others = begins(api)
    assert len(others) == 4
    assert min(others) - refused >= 1


@pytest.mark.parametrize("wait", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_beyond_the_deadline_fails_at_once_and_says_so(api: Api, wait: str) -> None:
    api.recorded.misbehave(status=429, headers={"Retry-After": wait})
    begin = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"answered 429 and asks to wait \d+ s, beyond the deadline"):
        list(api.pages(api.source(**PAGES)))
    assert time.monotonic() - begin < 5  # of 20
    assert len(api.asked) == 1


def test_without_a_wait_of_theirs_ours_grows(api: Api) -> None:
    api.recorded.misbehave(status=502, times=2)
    pages = list(api.pages(api.source(**PAGES)))
    assert pages[0].tries == 3
    waits = [b - a for a, b in pairwise(begins(api)[:3])]
    assert 0.2 <= waits[0] < 4  # 0.2 s and up to one second of jitter
    assert 0.4 <= waits[1] < 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"status": 500}, SourceUnavailable), ({"cut_off": 9}, PayloadBroken), ({"reset": True}, SourceUnavailable)],
    ids=str,
)
@pytest.mark.parametrize("attempts", [1, 2])
def test_a_request_is_sent_as_often_as_declared(
    api: Api, fault: dict[str, Any], error: type[Exception], attempts: int
) -> None:
    api.recorded.misbehave(**fault)
    with pytest.raises(error):
        list(api.pages(api.source(**PAGES, request={"attempts": attempts})))
    assert len(api.asked) == attempts


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final(api: Api, status: int) -> None:
    api.recorded.misbehave(query={"page": "2"}, status=status)
    with pytest.raises(SourceRefused, match=f"page=2 answered {status}"):
        list(api.pages(api.source(**PAGES)))
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "fault",
    [{"hang": True}, {"hang": True, "cut_off": 50}, {"trickle": 0.03}, {"latency": 30}],
    ids=["no answer", "half an answer", "byte by byte", "late"],
)
@pytest.mark.parametrize("after", [0, 2])
def test_the_deadline_holds_whatever_the_server_does(api: Api, fault: dict[str, Any], after: int) -> None:
    """A body of 1,500 bytes, its head before it, at 0.03 s a byte: no single wait is long, and all together are."""
    api.recorded.misbehave(after=after, **fault)
    source = api.source(**PAGES, request={"timeout_seconds": 30, "deadline_seconds": 0.8, "attempts": 9})
    begin = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"not read to its end within 0\.8 s"):
        list(api.pages(source))
    assert 0.75 <= time.monotonic() - begin < 4


def test_the_deadline_is_of_all_pages_together(api: Api) -> None:
    """No page is slow; all five together are."""
    source = api.source(**PAGES, request={"deadline_seconds": 2})
    trusted()  # once a process, and slow
    assert len(list(api.pages(source))) == 5
    api.recorded.misbehave(latency=0.5)
    pages = api.pages(source)
    assert len(next(pages).records) == 10
    with pytest.raises(SourceUnavailable, match="not read to its end within 2 s"):
        list(pages)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_time_that_a_caller_takes_is_not_the_sources(api: Api, concurrency: int) -> None:
    """Also not that of the pages that are on their way meanwhile: they are late, and the caller is later."""
    pages = PAGES | {"params": {"limit": "4"}}
    source = api.source(**pages, request={"deadline_seconds": 1.5, "concurrency": concurrency})
    trusted()  # once a process, and slow
    api.recorded.misbehave(latency=0.02)
    begin, records = time.monotonic(), 0
    for page in api.pages(source):
        time.sleep(0.35)
        records += len(page.records)
    assert records == 43
    assert time.monotonic() - begin >= 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_deadline_goes_on_when_the_caller_is_done(api: Api, concurrency: int) -> None:
    source = api.source(**PAGES, request={"timeout_seconds": 30, "deadline_seconds": 0.8, "concurrency": concurrency})
    trusted()  # once a process, and slow
    api.recorded.misbehave(query={"page": "2"}, hang=True)
    pages = api.pages(source)
    assert len(next(pages).records) == 10
    time.sleep(1)
    begin = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"not read to its end within 0\.8 s"):
        next(pages)
    assert 0.1 <= time.monotonic() - begin < 4


def test_the_deadline_ends_the_tries_too_and_tells_what_they_met(api: Api) -> None:
    api.recorded.misbehave(status=502)
    begin = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"within 1 s. Before that: .* answered 502"):
        list(api.pages(api.source(**PAGES, request={"deadline_seconds": 1, "attempts": 99})))
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_more_requests_a_second_than_declared(api: Api, concurrency: int) -> None:
    declared = PAGES | {"params": {"limit": "4"}}
    source = api.source(**declared, request={"requests_per_second": 20, "concurrency": concurrency})
    assert len(list(api.pages(source))) == 11
    spent = begins(api)
    assert max(spent) - min(spent) >= 10 / 20 - 0.03
    # A server that is slow to note one request may note the next one soon after: a few of them together cannot.
    assert all(late - early >= 4 / 20 - 0.05 for early, late in zip(sorted(spent), sorted(spent)[4:], strict=False))


def test_tries_are_limited_too(api: Api, no_waiting: None) -> None:
    api.recorded.misbehave(status=502, times=2)
    list(api.pages(api.source(**PAGES, request={"requests_per_second": 5})))
    first, second, third = begins(api)[:3]
    assert min(second - first, third - second) >= 0.15
