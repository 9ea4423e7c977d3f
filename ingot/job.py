"""What every Glue script shares: arguments to a batch, a result to lines of metrics, an error to a verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from ingot.attempt import Attempt, attempt
from ingot.batch import Batch, parse_time
from ingot.errors import IngotError
from ingot.lineage.events import Flow
from ingot.lineage.report import Report, reported, run_report
from ingot.manifest import Manifest, find_manifest
from ingot.metrics import emf_line, load_catalogue, send, statsd_lines
from ingot.storage import ObjectStore
from ingot.tracing import Segment, trace_id, traced

BATCH_ARGUMENTS = ["source", "stream", "interval_start", "interval_end", "as_of"]
"""The arguments that name a batch; the orchestrator gives them."""


def batch_from(arguments: Mapping[str, str]) -> Batch:
    """The batch that a job's arguments name.

    Raises:
        ConfigurationError: the interval is none.
    """
    return Batch(
        source=arguments["source"],
        stream=arguments["stream"],
        interval_start=parse_time(arguments["interval_start"]),
        interval_end=parse_time(arguments["interval_end"]),
        resolves=arguments.get("resolves", ""),
    )


def given(*names: str) -> list[str]:
    """Those of some optional arguments that this run was started with: ``getResolvedOptions`` wants all it is told."""
    return [name for name in names if any(word.partition("=")[0] == f"--{name}" for word in sys.argv[1:])]


def report(step: str, **metrics: object) -> None:
    """Print one line of JSON: what the step did."""
    print(msgspec.json.encode({"step": step, **metrics}).decode(), flush=True)


@dataclass
class Running:
    """A run of a step at a batch.

    Attributes:
        record: the attempt.
        values: metric → value, emitted when the run ends.
        lineage: what is reported of it in OpenLineage.
        bronze: where its batch's manifest is.
    """

    record: Attempt
    lineage: Report
    bronze: ObjectStore
    values: dict[str, float] = field(default_factory=dict)

    def moves(self, flow: Callable[..., Flow], *parts: object) -> None:
        """Say what it reads and writes, for lineage: one of :mod:`ingot.lineage.flows`, and all but the manifest."""

        def ending() -> tuple[Flow, Mapping[str, object]]:
            manifest = find_manifest(self.bronze, self.record.batch)
            return flow(manifest, *parts), _of_batch(self.record, manifest)

        self.lineage.ending = ending

    def published(self, manifest: Manifest) -> None:
        """Count what a batch holds, if it was this run that made it: a second run of a committed batch adds nothing."""
        if manifest.started_at != self.record.started_at:
            return
        self.values |= {"rows_accepted": manifest.accepted, "rows_rejected": manifest.rejected}
        if manifest.resolves is None:
            refused = manifest.rejected + manifest.rejected_again
            self.values |= {
                "reject_rate": _rate(refused, manifest.accepted + manifest.unchanged + refused),
                "bytes_accepted": manifest.bytes,
                "drift_fields": len(manifest.drift),
            }


@contextmanager
def running(bronze: ObjectStore, batch: Batch, step: str, *, as_of: str = "") -> Iterator[Running]:
    """An attempt at a step (see :mod:`ingot.attempt`) that emits its metrics and its trace when it ends, well or not.

    Args:
        bronze: where the record of the attempt goes.
        batch: what it is at.
        step: the job's; the catalogue says what it emits.
        as_of: the time that the orchestrator's run stands for, which makes its steps one trace.
    """
    run: Running | None = None
    failed = True
    try:
        with (
            traced(_segment(batch, step, as_of)),
            attempt(bronze, batch, step) as record,
            reporting(f"{batch.source}.{batch.stream}.{step}", step, batch.source) as lineage,
        ):
            run = Running(record, lineage, bronze)
            yield run
        failed = False
    finally:
        if run is not None:
            _emit_end(run, step, failed=failed)


def reporting(name: str, step: str, source: str) -> AbstractContextManager[Report]:
    """Report a run in OpenLineage, if this job or its environment says where to; see :mod:`ingot.lineage.report`.

    Args:
        name: what it is called there.
        step, source: of the Glue job.
    """
    # As the orchestrator's: the environment's part of the job's name.
    namespace = _argument("JOB_NAME").removesuffix(f"-{source}-{step}")
    report = run_report(
        name,
        told=_argument("lineage"),
        namespace=namespace,
        parent=_argument("lineage_parent"),
        run=_argument("JOB_RUN_ID"),
    )
    return reported(report)


def _of_batch(record: Attempt, manifest: Manifest | None) -> dict[str, object]:
    """What lineage says of the batch of a run that is over."""
    about: dict[str, object] = {
        "batchId": record.batch_id,
        "source": record.source,
        "stream": record.stream,
        "intervalStart": record.interval_start,
        "intervalEnd": record.interval_end,
        "attempt": record.number,
        "loadId": record.load_id,
    }
    if manifest is not None:
        about |= {
            "manifestKey": manifest.batch.manifest_key,
            "asOf": manifest.as_of,
            "contractId": manifest.contract_id,
            "contractVersion": manifest.contract_version,
            "accepted": manifest.accepted,
            "rejected": manifest.rejected,
        }
    return about


def _segment(batch: Batch, step: str, as_of: str) -> Segment | None:
    """What a step is in a trace, if this job was told to send one."""
    if _argument("tracing") != "xray":
        return None
    about = {"source": batch.source, "stream": batch.stream, "batch": batch.id, "run": _argument("JOB_RUN_ID")}
    return Segment(
        name=f"{batch.source}-{step}",
        trace_id=trace_id(batch.id, as_of),
        annotations={"step": step, **about},
    )


def _emit_end(run: Running, step: str, *, failed: bool) -> None:
    record, values = run.record, run.values
    if failed and step == "extract" and record.rejected is not None:
        # Nothing was published, but what was refused is in the quarantine, and the rate may be why it failed.
        accepted, rejected = record.accepted or 0, record.rejected
        values = {"rows_rejected": rejected, "reject_rate": _rate(rejected, accepted + rejected)}
    if record.waited_seconds is not None:
        values = {**values, "stream_lag_seconds": record.waited_seconds}
    values = {**values, "step_seconds": record.seconds, "attempts_failed": int(failed)}
    about = {"batch": record.batch_id, "attempt": record.number, "state": record.state, "error": record.error}
    emit(step, values, source=record.source, stream=record.stream, about=about)


def emit(
    step: str, values: Mapping[str, float], *, source: str, stream: str = "", about: Mapping[str, object] | None = None
) -> None:
    """Print metrics as a line of the embedded metric format, if this job was told in which namespace.

    They are sent by StatsD too, if the environment says where to; see :mod:`ingot.metrics.statsd`.

    Args:
        step: who emits them.
        values: metric → value.
        source, stream: what they are of; without a stream: of the source.
        about: what else the line says.

    Raises:
        ConfigurationError: the catalogue has no such metric.
    """
    catalogue, now = load_catalogue(), datetime.now(UTC)
    labels = {"source": source, **({"stream": stream} if stream else {}), "step": step}
    namespace = _argument("metrics_namespace")
    line = emf_line(catalogue, values, labels, namespace=namespace, at=now, step=step, **(about or {}))
    if namespace:
        print(line, flush=True)
    send(statsd_lines(catalogue, values, labels, at=now))


def _argument(name: str) -> str:
    """An argument that any job may have been given, or an empty text."""
    for place, word in enumerate(sys.argv[1:], start=1):
        key, equals, value = word.partition("=")
        if key == f"--{name}":
            return value if equals else "".join(sys.argv[place + 1 : place + 2])
    return ""


def _rate(part: int, whole: int) -> float:
    """In percent."""
    return round(100 * part / whole, 4) if whole else 0.0


@contextmanager
def verdicts() -> Iterator[None]:
    """End the process with the error's verdict as its last line, which Glue reports as the run's message.

    An error that nobody foresaw keeps its traceback; the orchestrator tries it again like a transient one.
    """
    try:
        yield
    except IngotError as error:
        sys.exit(error.verdict)
