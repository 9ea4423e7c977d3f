"""`ingot gaps` and `ingot backfill`: the intervals that should exist, and do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ingot.cli.options import AtOnce, From, FromIfGiven, Json, OfSource, OfStream, To, ToIfGiven

if TYPE_CHECKING:
    from ingot.batch import Batch
    from ingot.cli.jobs import Chain
    from ingot.naming import Names
    from ingot.schedule import Chunk, Interval
    from ingot.sources import Source, Stream
    from ingot.storage import ObjectStore


def gaps(
    source: OfSource = None,
    stream: OfStream = None,
    start: FromIfGiven = None,
    end: ToIfGiven = None,
    json: Json = False,
) -> None:
    """What should exist by now and does not; exit code 1 if there is any, or if nobody can tell.

    MISSING: intervals of the schedule, from the source's start date to the last whole one, that no committed batch
    covers. NOT LOADED: committed batches that the warehouse lacks (left out, and exit code 1, if it does not answer). A
    cursor or snapshot stream lacks what comes after its newest batch, and nothing before.

    Example: ingot gaps --source fakestore --from 2020-01-01 --to 2020-04-01
    """
    from ingot.cli import context, reports
    from ingot.cli.output import show
    from ingot.warehouse.base import Table

    names = context.names()
    loaded = _Loaded(context.chosen_streams(names, source, stream))
    until = min(end or _now(), _now())
    rows = list(reports.gaps(context.bronze(names), loaded.streams, loaded.lacks, start, until))
    show(Table(list(reports.GAPS), rows), json=json)
    raise typer.Exit(1 if rows or loaded.unknown else 0)


def backfill(
    source: Annotated[str, typer.Option(help="The source.")],
    start: From,
    end: To,
    stream: Annotated[str | None, typer.Option(help="This stream only; else all in interval mode.")] = None,
    chunk: Annotated[
        str | None, typer.Option(help="One batch a day, week, month, quarter or year, and not one an interval.")
    ] = None,
    concurrency: AtOnce = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and run nothing.")] = False,
    json: Json = False,
) -> None:
    """Run what is missing in a range of time: extract, refine, load, and the audit at the end.

    Taken are the whole intervals of the schedule that no committed batch covers; batches that are committed and not
    loaded are loaded. What is there is not asked for again. A failed batch does not stop the others: the exit code is
    then 1, and the same command tries again what failed. It is 1 too where the warehouse does not say what is loaded.

    A cursor or snapshot stream is left out unless it is named: one batch, of the range's last interval, brings it up
    to date. A source does not tell what its snapshots were in the past.

    Example: ingot backfill --source fakestore --from 2020-01-01 --to 2020-04-01 --chunk month --dry-run
    """
    from ingot.cli import context, jobs
    from ingot.cli.output import show
    from ingot.warehouse.base import Table

    names = context.names()
    chosen = context.chosen_streams(names, source, stream)
    until = min(end, _now())
    if stream is None:
        _explain_left_out(chosen)
        chosen = [(each, one) for each, one in chosen if not one.continues]
    loaded = _Loaded(chosen)
    plan = list(_plan(context.bronze(names), loaded, start, until, _chunk(chunk)))
    if dry_run or not plan:
        typer.echo("Nothing was run." if plan or loaded.unknown else "Nothing is missing.", err=True)
        show(Table(["batch", "steps"], [(todo.batch.id, ", ".join(todo.steps)) for todo in plan]), json=json)
        raise typer.Exit(1 if loaded.unknown else 0)
    outcomes = jobs.run([todo.chain(names) for todo in plan], at_once=concurrency)
    (audited,) = jobs.run([jobs.audit_chain(names, source, start, until)])
    rows = [(each.label, "FAILED" if each.reason else "LOADED", each.reason) for each in outcomes]
    show(Table(["batch", "state", "reason"], rows), json=json)
    failed = sum(each.reason is not None for each in outcomes)
    typer.echo(
        f"{len(outcomes) - failed} of {len(outcomes)} batches are loaded. "
        + ("The same command tries the others again." if failed else "Silver and gold follow: ingot transform"),
        err=True,
    )
    raise typer.Exit(1 if failed or audited.reason or loaded.unknown else 0)


@dataclass(frozen=True)
class _Todo:
    batch: Batch
    steps: tuple[str, ...]

    def chain(self, names: Names) -> Chain:
        from ingot.cli.jobs import Chain, batch_step

        # What is taken now is what the source says now: it stands before what was taken earlier, as Airflow's own
        # backfill has it.
        as_of = datetime.now(UTC)
        return Chain(label=self.batch.id, steps=[batch_step(names, self.batch, step, as_of) for step in self.steps])


class _Loaded:
    """What the warehouse has of some streams; asked once a source."""

    def __init__(self, streams: list[tuple[Source, Stream]]) -> None:
        self.streams = streams
        self._known: dict[str, set[str]] | None = {}

    @property
    def unknown(self) -> bool:
        """Whether the warehouse was asked and did not say."""
        return self._known is None

    def lacks(self, source: str, batches: list[Batch]) -> list[Batch]:
        """Those of the batches that are not loaded; none if the warehouse does not say."""
        from ingot.cli import context, reports
        from ingot.errors import IngotError

        if self._known is None:
            return []
        try:
            if source not in self._known:
                self._known[source] = reports.loaded(context.warehouse(), source)
        except IngotError as error:
            typer.echo(f"Whether batches are loaded is not known: {error}", err=True)
            self._known = None
            return []
        return [batch for batch in batches if batch.id not in self._known[source]]


def _plan(bronze: ObjectStore, loaded: _Loaded, start: datetime, end: datetime, chunk: Chunk | None) -> Iterator[_Todo]:
    from ingot.batch import Batch
    from ingot.coverage import absent, committed
    from ingot.schedule import chunked

    for source, stream in loaded.streams:
        batches = committed(bronze, stream)
        for batch in loaded.lacks(source.name, batches):
            if batch.interval_start < end and start < batch.interval_end:
                yield _Todo(batch, ("refine", "load"))
        found: list[Interval] = absent(source, stream, batches, start, end)
        if stream.continues:
            found = found[-1:]
        elif chunk is not None:
            found = chunked(found, chunk)
        for first, last in found:
            batch = Batch(source=source.name, stream=stream.name, interval_start=first, interval_end=last)
            yield _Todo(batch, ("extract", "refine", "load"))


def _explain_left_out(streams: list[tuple[Source, Stream]]) -> None:
    for _, stream in streams:
        if stream.continues:
            past = "; what it was in the past, the source does not tell" if stream.mode == "snapshot" else ""
            typer.echo(
                f"{stream.name} is left out: one batch brings a {stream.mode} stream up to date{past}. "
                f"Name it to take one: --stream {stream.name}",
                err=True,
            )


def _chunk(text: str | None) -> Chunk | None:
    from ingot.schedule import CHUNKS

    for chunk in CHUNKS:
        if text == chunk:
            return chunk
    if text is not None:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(CHUNKS)}", param_hint="--chunk")
    return None


def _now() -> datetime:
    return datetime.now(UTC)
