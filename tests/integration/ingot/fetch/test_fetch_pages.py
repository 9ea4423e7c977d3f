"""Pages: every record once, in order, whatever the kind of pagination and whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.errors import ConfigurationError, IngotError, PayloadBroken, SourceRefused, SourceUnavailable
from ingot.fetch import Page
from ingot.fetch.pull import Pull

if TYPE_CHECKING:
    from conftest import Api

# By style of the recorded source: what is declared for it.
STYLES: dict[str, dict[str, Any]] = {
    "page": {"records": "data", "pagination": {"type": "page"}},
    "page-total": {"records": "data", "pagination": {"type": "page", "total_pages": "meta.pages"}},
    "page-records": {"records": "data", "pagination": {"type": "page", "total_records": "meta.total"}},
    "page-short": {"records": "data", "pagination": {"type": "page", "short_page_ends": True}},
    "offset": {"records": "items", "pagination": {"type": "offset"}},
    "offset-total": {"records": "items", "pagination": {"type": "offset", "total_records": "total"}},
    "offset-short": {"records": "items", "pagination": {"type": "offset", "short_page_ends": True}},
    "cursor": {
        "records": "data.items",
        "pagination": {"type": "cursor", "param": "cursor", "next": "meta.next_cursor"},
    },
    "cursor-more": {
        "records": "data.items",
        "pagination": {"type": "cursor", "param": "cursor", "next": "meta.next_cursor", "more": "meta.has_more"},
    },
    "next": {"records": "results", "pagination": {"type": "next_url", "next": "links.next"}},
    "link": {"pagination": {"type": "link_header"}},
}
KNOWN_AHEAD = [style for style in STYLES if style.startswith(("page", "offset"))]


def path(style: str, orders: int) -> str:
    return f"/paged/{style.partition('-')[0]}/synthetic/7/{orders}/carts"


def records(pages: list[Page]) -> list[bytes]:
    return [record for page in pages for record in page.records]


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_brings_every_record_once_and_in_order(api: Api, style: str, concurrency: int) -> None:
    source = api.source(path(style, 43), params={"limit": "10"}, request={"concurrency": concurrency}, **STYLES[style])
    truth = api.carts(43)
    pages = list(api.pages(source))
    assert records(pages) == truth
    assert [len(page.records) for page in pages][:5] == [10, 10, 10, 10, 3]
    for page in pages:
        assert page.body == b"[" + b",".join(page.records) + b"]"
        assert (page.status, page.tries) == (200, 1)
    assert {page.url.partition("?")[2] for page in pages} <= set(api.asked)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    style=st.sampled_from(list(STYLES)),
    orders=st.integers(1, 40),
    size=st.integers(1, 45),
    concurrency=st.integers(1, 5),
)
def test_any_number_of_records_in_pages_of_any_size(
    api: Api, style: str, orders: int, size: int, concurrency: int
) -> None:
    source = api.source(
        path(style, orders), params={"limit": str(size)}, request={"concurrency": concurrency}, **STYLES[style]
    )
    assert records(list(api.pages(source))) == api.carts(orders)


@pytest.mark.parametrize("style", STYLES)
def test_a_list_without_records_is_one_empty_page(api: Api, style: str) -> None:
    source = api.source(
        path(style, 40), params={"startdate": "2030-01-01", "limit": "10"}, request={"concurrency": 3}, **STYLES[style]
    )
    assert [page.records for page in api.pages(source)] == [[]]


@pytest.mark.parametrize("style", ["page-total", "page-records", "offset-total", "cursor", "next", "link"])
def test_who_says_where_the_end_is_is_not_asked_beyond_it(api: Api, style: str) -> None:
    source = api.source(path(style, 40), params={"limit": "10"}, request={"concurrency": 3}, **STYLES[style])
    assert [len(page.records) for page in api.pages(source)] == [10, 10, 10, 10]
    assert len(api.asked) == 4


@pytest.mark.parametrize("style", ["page", "page-short", "offset", "offset-short", "offset-total", "page-records"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_source_that_caps_its_pages_loses_nothing(api: Api, style: str, concurrency: int) -> None:
    source = api.source(
        path(style, 2500), params={"limit": "5000"}, request={"concurrency": concurrency}, **STYLES[style]
    )
    pages = list(api.pages(source))
    assert [len(page.records) for page in pages][:3] == [1000, 1000, 500]
    assert records(pages) == api.carts(2500)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_offset_goes_on_where_the_records_of_a_short_page_ended(api: Api, concurrency: int) -> None:
    """As sources do that cap their answers by bytes: page two stops after 7 of 10."""
    source = api.source(
        path("offset", 35), params={"limit": "10"}, request={"concurrency": concurrency}, **STYLES["offset-total"]
    )
    truth = api.carts(35)
    api.recorded.misbehave(
        query={"offset": "10"}, body={"items": [json.loads(cart) for cart in truth[10:17]], "total": 35}
    )
    assert records(list(api.pages(source))) == truth


# ---- faults in the middle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"status": 502}, {"cut_off": 300}, {"hang": True}, {"reset": True}, {"status": 429}], ids=str
)
@pytest.mark.parametrize(
    ("style", "third"), [("page", {"page": "3"}), ("offset", {"offset": "20"}), ("link", {"after": "20"})]
)
def test_one_page_that_fails_is_asked_again_and_no_other(
    api: Api, no_waiting: None, style: str, third: dict[str, str], fault: dict[str, Any]
) -> None:
    source = api.source(
        path(style, 43),
        params={"limit": "10"},
        request={"timeout_seconds": 0.4, "concurrency": 2},
        **STYLES[style],
    )
    truth = api.carts(43)
    api.recorded.misbehave(query=third, times=1, **fault)
    pages = list(api.pages(source))
    assert records(pages) == truth
    assert [page.tries for page in pages][:5] == [1, 1, 2, 1, 1]
    assert len(api.asked) - len(set(api.asked)) == 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_page_that_stays_broken_ends_the_pull_after_the_pages_before_it(
    api: Api, no_waiting: None, concurrency: int
) -> None:
    source = api.source(
        path("page", 43), params={"limit": "10"}, request={"concurrency": concurrency}, **STYLES["page"]
    )
    api.recorded.misbehave(query={"page": "3"}, status=502)
    pages = api.pages(source)
    assert [len(next(pages).records) for _ in range(2)] == [10, 10]
    with pytest.raises(SourceUnavailable, match="page=3 answered 502"):
        next(pages)
    assert api.asked.count("limit=10&page=3") == 3


def test_what_fails_beyond_the_end_was_only_guessed(api: Api) -> None:
    source = api.source(path("page", 43), params={"limit": "10"}, request={"concurrency": 8}, **STYLES["page-short"])
    for number in (6, 7, 8, 9):
        api.recorded.misbehave(query={"page": str(number)}, status=404)
    assert len(records(list(api.pages(source)))) == 43


def test_one_malformed_record_in_an_envelope_costs_only_itself(api: Api) -> None:
    source = api.source(path("cursor", 30), params={"limit": "10"}, **STYLES["cursor"])
    truth = api.carts(30)
    api.recorded.misbehave(malformed={"record": 4}, after=1, times=1)
    pages = list(api.pages(source))
    assert [len(page.records) for page in pages] == [10, 10, 10]
    assert [i for i, record in enumerate(records(pages)) if record != truth[i]] == [14]


@pytest.mark.parametrize("body", ['{"data":{"items":[{"id":1},{"id":2', '{"error":"x"}', "", "<html>", "[]"])
def test_an_answer_without_its_records_is_broken(api: Api, no_waiting: None, body: str) -> None:
    source = api.source(path("cursor", 30), **STYLES["cursor"])
    api.recorded.misbehave("/paged/*", body=body)
    with pytest.raises(PayloadBroken) as caught:
        list(api.pages(source))
    assert caught.value.url == f"{api.recorded.url}{path('cursor', 30)}"
    assert len(api.asked) == 3


# ---- sources that never end, or end too early --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "body", "error", "message"),
    [
        ("cursor", {"data": {"items": [{"id": 1}]}, "meta": {"next_cursor": "b"}}, PayloadBroken, "same records"),
        ("next", {"results": [], "links": {"next": "?limit=10"}}, PayloadBroken, "in a circle"),
        ("page", {"data": [{"id": 1}]}, PayloadBroken, "same records"),
        ("offset", {"items": [{"id": 1}]}, PayloadBroken, "same records"),
        ("page-total", {"data": [], "meta": {"pages": 3}}, PayloadBroken, "end after 1 of 3 pages"),
        ("offset-total", {"items": [], "total": 9}, PayloadBroken, "end after 0 of 9 records"),
        ("page-total", {"data": [{"id": 1}], "meta": {}}, PayloadBroken, r"no number at meta\.pages"),
        ("cursor-more", {"data": {"items": []}, "meta": {"has_more": True}}, PayloadBroken, "no cursor"),
        ("cursor", {"data": {"items": []}, "meta": {"next_cursor": {"a": 1}}}, PayloadBroken, "no cursor"),
        ("next", {"results": [], "links": {"next": "http://a:port/"}}, PayloadBroken, "no URL"),
    ],
)
def test_pages_that_lead_nowhere_are_an_error(
    api: Api, style: str, body: object, error: type[IngotError], message: str
) -> None:
    source = api.source(path(style, 30), params={"limit": "10"}, **STYLES[style])
    api.recorded.misbehave("/paged/*", body=body)
    with pytest.raises(error, match=message):
        list(api.pages(source))
    assert len(api.asked) <= 2


def test_a_cursor_that_comes_again_is_a_circle_though_the_records_differ(api: Api) -> None:
    source = api.source(path("cursor", 30), **STYLES["cursor"])
    for number in range(9):
        answer = {"data": {"items": [{"id": number}]}, "meta": {"next_cursor": f"at {number % 3}"}}
        api.recorded.misbehave("/paged/*", times=1, body=answer)
    with pytest.raises(PayloadBroken, match="in a circle"):
        list(api.pages(source))
    assert len(api.asked) == 4


def test_there_are_no_more_pages_than_allowed(api: Api) -> None:
    declared = {"records": "data", "pagination": {"type": "page", "max_pages": 3}}
    source = api.source(path("page", 50), params={"limit": "10"}, **declared)
    with pytest.raises(ConfigurationError, match="more than 3 pages"):
        list(api.pages(source))
    assert api.asked == [f"limit=10&page={number}" for number in (1, 2, 3)]


@pytest.mark.parametrize("style", ["next", "link"])
def test_a_next_page_at_another_place_is_refused_unasked(api: Api, style: str) -> None:
    from recorded_source.source import RecordedSource

    source = api.source(path(style, 30), **STYLES[style])
    with RecordedSource() as other:
        there = f"{other.url}/carts?a=1"
        answer = {"body": {"results": [], "links": {"next": there}}} if style == "next" else {}
        api.recorded.misbehave("/paged/*", headers={"Link": f'<{there}>; rel="next"'}, **answer)
        with pytest.raises(SourceRefused, match="at another place"):
            list(api.pages(source))
        assert other.requests == []


# ---- how far ahead -----------------------------------------------------------------------------------------------


def test_no_more_pages_are_ahead_than_allowed(api: Api) -> None:
    source = api.source(path("page", 200), params={"limit": "10"}, request={"concurrency": 3}, **STYLES["page-total"])
    pages = api.pages(source)
    next(pages)
    next(pages)
    done = threading.Event()
    threading.Timer(0.3, done.set).start()
    done.wait()
    assert len(api.asked) == 5
    pages.close()


def test_guesses_that_prove_wrong_are_dropped(api: Api) -> None:
    """No page is as long as the one before it, so that every offset but the next one is guessed wrong."""
    source = api.source(path("offset", 70), params={"limit": "10"}, request={"concurrency": 4}, **STYLES["offset"])
    truth = [json.loads(cart) for cart in api.carts(70)]
    for offset, end in pairwise(accumulate([0, *[7, 5, 8, 6] * 2, 70])):
        api.recorded.misbehave(query={"offset": str(offset)}, body={"items": truth[offset:end]})
    pull = Pull(source.stream("carts"), source.request, httpx.URL(f"{api.recorded.url}{path('offset', 70)}?limit=10"))

    async def on_their_way() -> list[int]:
        return [len(pull._tasks) async for _ in pull.pages()]

    assert max(asyncio.run(on_their_way())) == 4


def test_pages_are_asked_for_side_by_side(api: Api) -> None:
    source = api.source(path("page", 60), params={"limit": "10"}, request={"concurrency": 6}, **STYLES["page-total"])
    api.recorded.misbehave("/paged/*", latency=0.3)
    pages = list(api.pages(source))
    assert len(pages) == 6
    begins = [request.time.timestamp() for request in api.recorded.requests]
    # The latency is served after the journal's entry: pages two to six are all entered before the first of them ends.
    assert max(begins[1:]) - min(begins[1:]) < 0.3


def test_a_caller_that_dies_does_not_keep_the_process_from_ending(api: Api) -> None:
    source = api.source(path("page", 200), params={"limit": "10"}, request={"concurrency": 3}, **STYLES["page-total"])
    assert source.name == "shop"
    script = f"""
import sys
from datetime import UTC, datetime
from ingot.batch import Batch
from ingot.fetch import fetch
from ingot.sources import load_source
batch = Batch(source="shop", stream="carts", interval_start=datetime(2022, 1, 1, tzinfo=UTC),
              interval_end=datetime(2023, 1, 1, tzinfo=UTC))
pages = fetch(load_source({str(api.folder)!r}), batch, {{"limit": "10"}})
print(len(next(pages).records), flush=True)
raise RuntimeError("the caller dies")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert ended.stdout == "10\n"
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("the caller dies")
