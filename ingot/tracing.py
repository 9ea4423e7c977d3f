"""Traces: when a step did what, as segments of X-Ray.

Glue traces no job (https://docs.aws.amazon.com/xray/latest/devguide/xray-services.html), and there is no daemon beside
one: a job sends its own segment when its step ends. The steps of a batch that one run of an orchestrator starts are one
trace, whichever orchestrator it is, as the id is made of what they are all given. A trace that cannot be sent is said
to be lost, and nothing fails for it.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import time
from typing import Any

import boto3
from botocore.config import Config

from ingot.batch import parse_time
from ingot.errors import ConfigurationError, IngotError

MOST_PHASES = 100
"""A segment has 64 kB at most (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html)."""
_OLDEST = timedelta(days=29)  # X-Ray keeps traces for 30 days, and takes none that are older
_PATIENCE = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})


@dataclass
class Segment:
    """A step that goes on.

    Attributes:
        name: of what runs.
        trace_id: of the trace that it is a part of.
        annotations: what traces are searched by.
        phases: its parts that have ended, as subsegments.
        left_out: how many more there were.
    """

    name: str
    trace_id: str
    annotations: dict[str, str | int | bool] = field(default_factory=dict)
    phases: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0

    def add(self, phase: dict[str, Any]) -> None:
        if len(self.phases) < MOST_PHASES:
            self.phases.append(phase)
        else:
            self.left_out += 1


# A job is a process that runs one step; its requests are made in a thread beside it.
_current: Segment | None = None


def trace_id(about: str, as_of: str) -> str:
    """The id of the trace of what several runs do together.

    Args:
        about: what it is that they do: the same text, the same trace.
        as_of: the time that they stand for, in ISO 8601. X-Ray wants a time in the id: now stands for one that is none,
            or is too old for it, and each run is then a trace of its own.
    """
    moment = now = datetime.now(UTC)
    with suppress(ConfigurationError):
        given = parse_time(as_of)
        moment = given if now - _OLDEST < given <= now else now
    return f"1-{int(moment.timestamp()):08x}-{sha256(f'{about} {as_of}'.encode()).hexdigest()[:24]}"


@contextmanager
def traced(segment: Segment | None) -> Iterator[None]:
    """Run a step as a segment and send it, whatever becomes of the step; None: run it, and trace nothing."""
    global _current
    if segment is None:
        yield
        return
    began, _current = time(), segment
    problem: BaseException | None = None
    try:
        yield
    except BaseException as error:
        problem = error
        raise
    finally:
        _current = None
        _send(_document(segment, began, time(), problem))


@contextmanager
def phase(name: str, url: str = "") -> Iterator[dict[str, Any]]:
    """A part of the step that is traced, if one is; what is put into the dictionary becomes a part of it.

    Args:
        name: what is done.
        url: of a request to a source: without secrets.
    """
    about: dict[str, Any] = {}
    if url:
        about = {"namespace": "remote", "http": {"request": {"method": "GET", "url": url}}}
    began, failed = time(), True
    try:
        yield about
        failed = False
    finally:
        if _current is not None:
            times = {"start_time": began, "end_time": time(), "fault": failed}
            _current.add({"id": secrets.token_hex(8), "name": name, **times, **about})


def _document(segment: Segment, began: float, ended: float, problem: BaseException | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "trace_id": segment.trace_id,
        "name": segment.name,
        "start_time": began,
        "end_time": ended,
        "annotations": segment.annotations,
        "metadata": {"ingot": {"phases_left_out": segment.left_out}},
        "subsegments": segment.phases,
    }
    if problem is not None:
        ours = isinstance(problem, IngotError)
        # What somebody has to change is an error; what may pass, or was not foreseen, is a fault.
        document["error" if ours and not problem.transient else "fault"] = True  # type: ignore[attr-defined]
        # The message of an error of others may quote a record.
        message = str(problem)[:1000] if ours else ""
        exception = {"id": secrets.token_hex(8), "type": type(problem).__name__, "message": message}
        document["cause"] = {"exceptions": [exception]}
    return document


def _send(document: dict[str, Any]) -> None:
    try:
        xray: Any = boto3.client("xray", config=_PATIENCE)
        answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document)])
        lost = ", ".join(each.get("Message", "") for each in answer.get("UnprocessedTraceSegments", ()))
    except Exception as error:
        lost = str(error)
    if lost:
        print(f"The trace of this run is lost: {lost}", file=sys.stderr, flush=True)
