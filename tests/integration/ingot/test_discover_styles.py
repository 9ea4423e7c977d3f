"""How pages follow each other and where records are, found by asking: APIs of many styles, served by declaration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from recorded_source.source import RecordedSource

from ingot.discover import Draft, Wanted, draft
from ingot.discover.asking import Asker
from ingot.discover.envelope import is_clear, places
from ingot.discover.questions import Nobody
from ingot.errors import ConfigurationError, SourceUnavailable

ROWS = [{"id": n, "name": f"number {n}", "done": n % 3 == 0} for n in range(1, 48)]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RecordedSource]:
    with RecordedSource(apis=[tmp_path]) as served:
        yield served


def serve(folder: Path, rows: list[dict[str, Any]] = ROWS, **endpoint: Any) -> None:
    recorded = folder / "things" / "recorded"
    recorded.mkdir(parents=True)
    (recorded / "rows.json").write_text(json.dumps(rows))
    (recorded / "api.yaml").write_text(yaml.safe_dump({"paths": {"/list": {"data": "rows.json", **endpoint}}}))


def found(source: RecordedSource, query: str = "", **wanted: Any) -> tuple[Draft, dict[str, Any]]:
    told = Wanted(
        name="shop", url=f"{source.url}/things/list{query}", start_date=date(2026, 1, 1), per_second=1000, **wanted
    )
    sketch = draft(told, Nobody())
    (stream,) = yaml.safe_load(sketch.texts["source.yaml"])["streams"].values()
    return sketch, stream


@pytest.mark.parametrize(
    ("pages", "answer", "headers", "declared"),
    [
        (
            {"style": "page", "position": "page", "first": 0},
            "{records}",
            {},
            {"type": "page", "param": "page", "start": 0},
        ),
        (
            {"style": "page", "position": "page_number", "limit": "page_size"},
            {"data": "{records}", "total_pages": "{pages}"},
            {},
            {"type": "page", "param": "page_number", "start": 1, "total_pages": "total_pages"},
        ),
        (
            {"style": "offset", "position": "skip", "limit": "$top"},
            "{records}",
            {},
            {"type": "offset", "param": "skip"},
        ),
        (
            {"style": "offset", "position": "beginAt", "limit": "atMost"},  # names that the answer itself repeats
            {"beginAt": "{offset}", "atMost": "{limit}", "total": "{total}", "hits": "{records}"},
            {},
            {"type": "offset", "param": "beginAt", "total_records": "total"},
        ),
        (
            {"style": "cursor", "position": "starting_after", "limit": "per_page"},
            {"response": {"rows": "{records}", "next_cursor": "{next}"}},
            {},
            {"type": "cursor", "param": "starting_after", "next": "response.next_cursor"},
        ),
        (
            {"style": "cursor", "position": "cursor"},
            "{records}",
            {"X-Next-Cursor": "{next}"},
            {"type": "cursor", "param": "cursor", "header": "X-Next-Cursor"},
        ),
        (
            {"style": "next", "position": "after"},
            {"@odata.nextLink": "{next}", "value": "{records}"},
            {},
            {"type": "next_url", "next": "@odata\\.nextLink"},
        ),
        ({"style": "link", "position": "p"}, "{records}", {"Link": "{links}"}, {"type": "link_header"}),
    ],
    ids=["page-from-0", "pages-total", "skip-top", "repeated", "cursor", "header", "next", "link"],
)
@pytest.mark.parametrize("rows", [47, 9], ids=["many-pages", "one-page"])
def test_every_style_is_found(
    rows: int,
    pages: dict[str, Any],
    answer: Any,
    headers: dict[str, str],
    declared: dict[str, Any],
    source: RecordedSource,
    tmp_path: Path,
) -> None:
    serve(tmp_path, ROWS[:rows], pages={"default": 10, **pages}, answer=answer, headers=headers)
    sketch, stream = found(source)
    assert stream["pagination"] == declared
    assert (sketch.sampled.accepted, sketch.sampled.refused, sketch.whole) == (rows, 0, True)
    if pages["style"] in ("page", "offset"):
        assert stream["params"] == {pages.get("limit", "limit"): "100"}
    assert sketch.requests <= 60


def test_a_filter_that_changes_the_answer_is_no_offset(source: RecordedSource, tmp_path: Path) -> None:
    """``from=23`` leaves out what page one holds, and more than the next page would."""
    filters = {"from": {"field": "id", "is": "at_most"}}
    pages = {"style": "cursor", "position": "weiter", "default": 50}
    serve(tmp_path, ROWS[::-1], filters=filters, pages=pages)
    sketch, stream = found(source)
    assert "pagination" not in stream
    assert sketch.sampled.accepted == 47


def test_a_number_that_changes_from_page_to_page_is_no_total(source: RecordedSource) -> None:
    for page in (5, 4, 3, 2, 1):
        rows = ROWS[10 * page - 10 : 10 * page]
        source.misbehave("/left", query={"page": str(page)}, body={"rows": rows, "total_left": 47 - 10 * page + 10})
    source.misbehave("/left", query={"page": "6"}, body={"rows": [], "total_left": 0})
    source.misbehave("/left", body={"rows": ROWS[:10], "total_left": 47})
    sketch = draft(
        Wanted(name="shop", url=f"{source.url}/left", start_date=date(2026, 1, 1), per_second=1000), Nobody()
    )
    (stream,) = yaml.safe_load(sketch.texts["source.yaml"])["streams"].values()
    assert stream["pagination"] == {"type": "page", "param": "page", "start": 1}
    assert sketch.sampled.accepted == 47


def test_a_source_that_refuses_what_it_does_not_know_is_no_error(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path, unknown="refused")
    sketch, stream = found(source)
    assert "pagination" not in stream
    assert sketch.sampled.accepted == 47


def test_a_source_that_breaks_on_a_parameter_is_asked_on(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path)
    source.misbehave("/things/list", query={"offset": "47"}, status=500)
    sketch, _ = found(source)
    assert sketch.sampled.accepted == 47
    assert "offset=47 answered 500" in sketch.texts["source.yaml"]


def test_a_source_that_is_down_is_said_to_be(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path)
    source.misbehave("/things/list", status=503)
    with pytest.raises(SourceUnavailable):
        found(source)


def test_a_next_page_that_no_parameter_leads_to_is_asked_for(source: RecordedSource, tmp_path: Path) -> None:
    pages = {"style": "cursor", "position": "weiter", "default": 10}
    serve(tmp_path, pages=pages, answer={"rows": "{records}", "next_cursor": "{next}"})
    with pytest.raises(ConfigurationError, match=r"The source names a next page \(next_cursor\)") as raised:
        found(source)
    assert "--next-param NAME" in str(raised.value)
    sketch, stream = found(source, next_param="weiter")
    assert stream["pagination"] == {"type": "cursor", "param": "weiter", "next": "next_cursor"}
    assert sketch.sampled.accepted == 47
    sketch, stream = found(source, next_param="none")
    assert "pagination" not in stream


def test_parameters_of_the_url_stay_and_those_of_the_pages_do_not(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path, filters={"done": {"field": "done", "is": "equal"}}, pages={"style": "page", "position": "page"})
    _, stream = found(source, "?done=false&page=1&limit=7")
    assert stream["params"] == {"done": "false", "limit": "7"}
    assert stream["pagination"]["param"] == "page"


def test_records_by_their_key_are_numbers_where_all_keys_are(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path, keyed_by="id", answer={"things": "{records}"})
    sketch, stream = found(source)
    assert (stream["records"], stream["keyed_by"]) == ("things", "id")
    assert sketch.contract.primary_key == ("id",)
    assert sketch.contract.properties[0].logical_type == "integer"
    assert sketch.sampled.accepted == 47


def test_no_more_is_asked_than_allowed(source: RecordedSource, tmp_path: Path) -> None:
    serve(tmp_path)
    with pytest.raises(ConfigurationError, match="5 requests were sent"):
        found(source, requests=5)
    assert len(source.requests) == 5


def test_credentials_do_not_follow_a_redirect(source: RecordedSource) -> None:
    source.misbehave("/old", status=302, headers={"Location": "http://localhost:1/elsewhere"})
    with Asker(auth=httpx.BasicAuth("a", "b")) as asker:
        assert asker.get(httpx.URL(f"{source.url}/old")).status == 302


@pytest.mark.parametrize(
    ("answer", "path", "clear"),
    [
        ([{"a": 1}], "", True),
        ({"data": [{"a": 1}], "included": [{"b": 1}, {"b": 2}]}, "data", True),  # the usual name before the larger
        ({"left": [{"a": 1}], "right": [{"b": 1}]}, "left", False),
        ({"a": {"b": {"c": [{"x": 1}]}}}, "a.b.c", True),
        ({"a.b": [{"x": 1}]}, "a\\.b", True),
        ({"1": {"x": 1}, "2": {"x": 2}, "3": {"x": 3}}, "", True),
        ({"meta": {"page": 1}, "data": [{"x": 1}]}, "data", True),
    ],
)
def test_where_records_are(answer: Any, path: str, clear: bool) -> None:
    likely = places(answer)
    assert likely[0].path == path
    assert is_clear(likely) == clear


@pytest.mark.parametrize("answer", [[], {}, {"data": []}, [1], "text", None, {"one": {"a": 1}, "other": {"b": 2}}])
def test_where_none_are(answer: Any) -> None:
    assert places(answer) == []
