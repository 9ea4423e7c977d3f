"""StatsD: what is sent, to whom, and that nothing ever fails for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ingot.errors import ConfigurationError
from ingot.job import emit
from ingot.metrics import load_catalogue, send, statsd_lines

AT = datetime(2026, 3, 1, tzinfo=UTC)
LABELS = {"source": "shop", "stream": "carts", "step": "extract"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Who is told of metrics."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10)
        monkeypatch.setenv("INGOT_STATSD", f"127.0.0.1:{heard.getsockname()[1]}")
        monkeypatch.setattr("sys.argv", ["extract.py"])
        yield heard


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("rows_accepted", 3, "ingot.rows_accepted:3|c|#source:shop,stream:carts"),
        ("bytes_accepted", 12345678901, "ingot.bytes_accepted:12345678901|c|#source:shop,stream:carts"),
        ("reject_rate", 0.25, "ingot.reject_rate:0.25|g|#source:shop,stream:carts"),
        ("run_cost_usd", 0.044, "ingot.run_cost_usd:0.044|g|#source:shop"),
        ("step_seconds", 1.5, "ingot.step_seconds:1500|ms|#source:shop,stream:carts,step:extract"),
        # The time at which it was nothing: whoever asks later adds what has passed since.
        ("freshness_seconds", 60, "ingot.freshness_timestamp_seconds:1772323140.000|g|#source:shop,stream:carts"),
    ],
)
def test_a_line_has_the_catalogue_s_name_type_and_labels(name: str, value: float, line: str) -> None:
    assert list(statsd_lines(load_catalogue(), {name: value}, LABELS, at=AT)) == [line]


def test_what_cloudwatch_alone_has_is_not_sent() -> None:
    assert list(statsd_lines(load_catalogue(), {"runs_failed": 1}, {"job": "a"}, at=AT)) == []


def test_a_job_sends_its_metrics_though_it_was_told_no_namespace(
    receiver: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    emit("extract", {"rows_accepted": 3, "rows_rejected": 0}, source="shop", stream="carts")
    emit("audit", {"run_cost_usd": 0.5}, source="shop")

    both = b"ingot.rows_accepted:3|c|#source:shop,stream:carts\ningot.rows_rejected:0|c|#source:shop,stream:carts"
    assert receiver.recv(2000) == both
    assert receiver.recv(2000) == b"ingot.run_cost_usd:0.5|g|#source:shop"
    assert capsys.readouterr() == ("", "")


def test_a_datagram_is_no_longer_than_a_frame_takes(receiver: socket.socket) -> None:
    lines = [f"ingot.rows_accepted:{number}|c|#source:shop,stream:{'s' * 60}" for number in range(100)]
    send(lines)

    heard: list[str] = []
    while len(heard) < len(lines):
        datagram = receiver.recv(65535)
        assert len(datagram) <= 1400
        heard += datagram.decode().split("\n")
    assert heard == lines


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:nonsense", "127.0.0.1:99999999", "127.0.0.1:1"])
def test_who_is_not_there_or_no_address_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("INGOT_STATSD", address)
    monkeypatch.setattr("sys.argv", ["extract.py"])
    for _ in range(3):  # a refusal is heard of by the next one
        emit("extract", {"rows_accepted": 3}, source="shop", stream="carts")


def test_a_name_that_is_not_in_the_catalogue_is_a_fault_of_ours(receiver: socket.socket) -> None:
    with pytest.raises(ConfigurationError, match="no metric 'rows_lost'"):
        emit("extract", {"rows_lost": 1}, source="shop", stream="carts")
