"""Metrics: a catalogue that says what there is, and lines that say nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingot.batch import Batch
from ingot.errors import ConfigurationError, SourceUnavailable
from ingot.job import emit, running
from ingot.metrics import emf_line, load_catalogue
from ingot.metrics.catalogue import read_catalogue
from ingot.naming import JOBS
from ingot.storage import ObjectStore

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2020, 1, 1, tzinfo=UTC)
LABELS = {"source": "shop", "stream": "carts", "step": "extract"}
BATCH = Batch(source="shop", stream="carts", interval_start=AT, interval_end=datetime(2020, 2, 1, tzinfo=UTC))
AIRFLOW = (
    "type: counter, unit: count, labels: [a], emitted_by: [airflow], meaning: m, good: g,"
    " aws: {namespace: N, metric: M, dimensions: {a: A}}"
)
METRIC = "type: counter, unit: count, labels: [a], emitted_by: [extract], meaning: m, good: g"


class Memory(ObjectStore):
    """A bucket in memory: what is asked here is what a job prints."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.objects if key.startswith(prefix)))


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job was told where its metrics belong."""
    monkeypatch.setattr("sys.argv", ["extract.py", "--metrics_namespace", "Ingot/test"])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_step_of_the_catalogue_is_a_job_or_a_service() -> None:
    for name, metric in load_catalogue().metrics.items():
        assert set(metric.emitted_by) <= {*JOBS, "dbt", "airflow", "glue", "aws"}, name


def test_an_alarm_has_a_name_of_its_own() -> None:
    names = [alarm.name for alarm in load_catalogue().alarms.values()]

    assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"namespace: I\nmetrics: {{x: {{{METRIC}, colour: red}}}}", "colour"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC}, rollups: [[b]]}}}}", "b are not all labels"),
        (f"namespace: I\nmetrics: {{X: {{{METRIC}}}}}", "matching regex"),
        ("namespace: I\nmetrics: {x: {type: counter}}", "missing required"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC.replace('extract', 'aws')}}}}}", "aws says where"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC.replace('extract', 'airflow')}}}}}", "aws says where"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC}, airflow: {{statsd: 'x.{{a}}'}}}}}}", "airflow says what"),
        (f"namespace: I\nmetrics: {{x: {{{AIRFLOW}, airflow: {{statsd: 'x.{{b}}'}}}}}}", "names each label"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC}, age: true}}}}", "an age is a gauge"),
        (f"namespace: I\nmetrics: {{x: {{{METRIC.replace('counter', 'distribution')}}}}}", "in seconds"),
        ("namespace: [", "wrong"),
    ],
)
def test_a_catalogue_with_a_fault_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        read_catalogue(text)


def test_a_line_is_in_the_embedded_metric_format() -> None:
    line = emf_line(
        load_catalogue(),
        {"rows_accepted": 3, "step_seconds": 1.5},
        LABELS,
        namespace="Ingot/test",
        at=AT,
        step="extract",
        batch="b",
    )

    assert "\n" not in line
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1577836800000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Ingot/test",
                    "Dimensions": [["source", "stream"]],
                    "Metrics": [{"Name": "rows_accepted", "Unit": "Count"}],
                },
                {
                    "Namespace": "Ingot/test",
                    "Dimensions": [["source", "stream", "step"], ["source", "step"]],
                    "Metrics": [{"Name": "step_seconds", "Unit": "Seconds"}],
                },
            ],
        },
        "batch": "b",
        **LABELS,
        "rows_accepted": 3,
        "step_seconds": 1.5,
    }


def test_what_the_catalogue_does_not_know_cannot_be_emitted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="no metric 'rows_lost'"):
        emit("extract", {"rows_lost": 1}, source="shop", stream="carts")
    with pytest.raises(ValueError, match="does not say that audit emits rows_accepted"):
        emit("audit", {"rows_accepted": 1}, source="shop", stream="carts")
    assert lines(capsys) == []


def test_a_job_that_was_not_told_where_emits_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["audit.py"])
    emit("audit", {"freshness_seconds": 1}, source="shop", stream="carts")

    assert lines(capsys) == []


def test_a_step_that_ends_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    with running(Memory(), BATCH, "refine"):
        pass

    (line,) = lines(capsys)
    assert (line["attempts_failed"], line["state"], line["error"]) == (0, "SUCCEEDED", None)
    assert line["step_seconds"] >= 0  # type: ignore[operator]
    assert "rows_accepted" not in line


def test_a_step_that_fails_is_counted_with_what_it_refused(capsys: pytest.CaptureFixture[str]) -> None:
    def extract() -> None:
        with running(Memory(), BATCH, "extract") as run:
            run.record.accepted, run.record.rejected = 15, 5
            raise SourceUnavailable("down")

    with pytest.raises(SourceUnavailable):
        extract()
    (line,) = lines(capsys)
    assert (line["attempts_failed"], line["error"], line["attempt"]) == (1, "SourceUnavailable", 1)
    assert (line["rows_rejected"], line["reject_rate"]) == (5, 25.0)
    assert "rows_accepted" not in line, "nothing was published"


def test_jobs_speak_of_metrics_through_the_catalogue_alone() -> None:
    """No script and no module beside ingot/job.py and ingot/metrics writes the format itself."""
    files = [*(ROOT / "glue_jobs").glob("*.py"), *(ROOT / "ingot").rglob("*.py")]
    speaking = {
        f.relative_to(ROOT).as_posix()
        for f in files
        if re.search(r"_aws\"|CloudWatchMetrics|put_metric_data", f.read_text())
    }

    assert speaking == {"ingot/metrics/emf.py"}
