"""The API over HTTP: serves the shop, and fails as a run's faults say. What was sent whole is noted on the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from random import Random
from urllib.parse import parse_qs, urlsplit

from tests.faults.faults import KILLS, Fault
from tests.faults.lane import Lane, Listener, reset
from tests.faults.run import Answer
from tests.faults.shop import Record, Shop, encode, spoil

SILENCE_SECONDS = 0.6
"""How long an answer takes that is too late; see the time-out in `world.py`."""


@dataclass
class Counter:
    """The shop that is open at the moment: histories follow each other behind the same address."""

    shop: Shop


def listen(lane: Lane, counter: Counter) -> Listener:
    """The API for the run on a lane."""

    class Handler(_Handler):
        pass

    Handler.lane, Handler.counter = lane, counter
    return Listener(Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    lane: Lane
    counter: Counter

    def do_GET(self) -> None:
        run = self.lane.run
        if run is None or run.over:
            return reset(self.connection)
        fault = run.request("source")
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        bounds = [_time(query, name) for name in ("startdate", "enddate", "updated_since")]
        stream = path.strip("/")
        records = self.counter.shop.serve(stream, *bounds)
        if fault is not None and fault.kind == "killed-before":
            return run.strike(fault)
        if fault is not None and fault.kind in _SPOILERS:
            if any(record.valid for record in records):
                records = _SPOILERS[fault.kind](stream, records, Random(run.name))
                run.strike(fault)
            fault = None
        body = b"[" + b",".join(record.raw for record in records) + b"]"
        if fault is None or fault.kind in KILLS:
            # Noted before it is sent: whoever got it may have acted on it.
            run.answers.append(Answer(run, self.path, records))
            self._answer(200, body)
            if fault is not None:
                run.strike(fault)
            return None
        run.strike(fault)
        return self._fail(fault, body)

    def _fail(self, fault: Fault, body: bytes) -> None:
        if fault.kind.isdigit():
            self._answer(int(fault.kind), encode({"error": "not now"}))
        elif fault.kind == "time-out":
            time.sleep(SILENCE_SECONDS)
            reset(self.connection)
        elif fault.kind == "cut-off-json":
            self._answer(200, body[:-1])
        elif fault.kind == "a-page-of-html":
            self._answer(200, b"<html><h1>We will be back soon</h1></html>")
        elif fault.kind == "cut-off-body":
            self._head(200, len(body))
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
        else:
            reset(self.connection)

    def _answer(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Histories say themselves what happened."""


def _malformed(stream: str, records: tuple[Record, ...], random: Random) -> tuple[Record, ...]:
    at = random.choice([place for place, record in enumerate(records) if record.valid])
    return (*records[:at], spoil(stream, records[at].raw, readable=random.random() < 0.7), *records[at + 1 :])


def _duplicated(stream: str, records: tuple[Record, ...], random: Random) -> tuple[Record, ...]:
    return (*records, random.choice([record for record in records if record.valid]))


_SPOILERS: dict[str, Callable[[str, tuple[Record, ...], Random], tuple[Record, ...]]] = {
    "malformed-record": _malformed,
    "duplicated-record": _duplicated,
}


def _time(query: dict[str, list[str]], name: str) -> datetime | None:
    if name not in query:
        return None
    moment = datetime.fromisoformat(query[name][0])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
