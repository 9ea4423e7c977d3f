"""Traces: what a step did when, and nothing that fails because of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingot import tracing
from ingot.errors import IngotError, SourceRefused, SourceUnavailable
from ingot.tracing import MOST_PHASES, Segment, phase, trace_id, traced


class Service:
    """Keeps what it is sent, and answers what it is told to."""

    def __init__(self, **answer: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self._answer = answer

    def put_trace_segments(self, TraceSegmentDocuments: list[str]) -> dict[str, Any]:
        self.sent += [json.loads(text) for text in TraceSegmentDocuments]
        return self._answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()
    monkeypatch.setattr(tracing.boto3, "client", lambda *_, **__: made)
    return made


def segment() -> Segment:
    return Segment(name="shop-extract", trace_id=trace_id("b", ""), annotations={"step": "extract"})


def test_a_step_is_a_segment_and_its_phases_are_in_it(service: Service) -> None:
    with traced(segment()), phase("request", url="https://shop/carts") as about:
        about["http"]["response"] = {"status": 200}

    (sent,) = service.sent
    (part,) = sent["subsegments"]
    assert (sent["name"], sent["annotations"]) == ("shop-extract", {"step": "extract"})
    assert sent["start_time"] <= part["start_time"] <= part["end_time"] <= sent["end_time"]
    assert part["http"] == {"request": {"method": "GET", "url": "https://shop/carts"}, "response": {"status": 200}}
    assert not part["fault"]
    assert "error" not in sent
    assert "fault" not in sent


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (SourceUnavailable("down"), "fault", "down"),
        (SourceRefused("no"), "error", "no"),
        (ValueError("a record's value"), "fault", ""),
    ],
)
def test_a_step_that_fails_says_why_and_still_fails(
    service: Service, error: Exception, kind: str, message: str
) -> None:
    with pytest.raises(type(error)), traced(segment()), phase("load"):
        raise error

    (sent,) = service.sent
    assert sent[kind] is True
    assert sent["subsegments"][0]["fault"] is True
    assert [(e["type"], e["message"]) for e in sent["cause"]["exceptions"]] == [(type(error).__name__, message)]


def test_a_trace_that_cannot_be_sent_is_said_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise IngotError("no way there")

    monkeypatch.setattr(tracing.boto3, "client", refuse)
    with traced(segment()):
        pass
    assert capsys.readouterr().err == "The trace of this run is lost: no way there\n"

    partly = Service(UnprocessedTraceSegments=[{"Id": "1", "Message": "too large"}])
    monkeypatch.setattr(tracing.boto3, "client", lambda *_, **__: partly)
    with traced(segment()):
        pass
    assert "too large" in capsys.readouterr().err


def test_what_is_not_traced_sends_nothing(service: Service) -> None:
    with traced(None), phase("load"):
        pass

    assert service.sent == []


def test_a_segment_stays_small_enough(service: Service) -> None:
    with traced(segment()):
        for number in range(MOST_PHASES + 5):
            with phase("request", url=f"https://shop.example.com/carts?since=2020-01-01T00:00:00Z&page={number:050}"):
                pass

    (sent,) = service.sent
    assert len(sent["subsegments"]) == MOST_PHASES
    assert sent["metadata"]["ingot"]["phases_left_out"] == 5
    assert len(json.dumps(sent)) < 64 * 1024


def test_the_steps_of_a_run_are_one_trace() -> None:
    now = datetime.now(UTC)
    recent, old = (now - timedelta(days=2)).isoformat(), (now - timedelta(days=60)).isoformat()

    assert trace_id("batch", recent) == trace_id("batch", recent) != trace_id("other", recent)
    assert trace_id("batch", recent).split("-")[1] == f"{int((now - timedelta(days=2)).timestamp()):08x}"
    for unusable in (old, "no time", "", (now + timedelta(days=1)).isoformat()):
        assert int(trace_id("batch", unusable).split("-")[1], 16) == pytest.approx(now.timestamp(), abs=60)
