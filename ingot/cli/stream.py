"""`ingot stream`: events into a stream, and how far what it delivers has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingot.cli.options import INTERRUPTED, AtIfGiven, Json, OfSource, OfStream

if TYPE_CHECKING:
    from ingot.naming import Names
    from ingot.sources import Stream

stream = typer.Typer(help="Events: send some, and see how far a stream has come.", no_args_is_help=True)


@stream.command("send")
def send(
    source: Annotated[str, typer.Option(help="The source whose stream they go to.")] = "orders_stream",
    rate: Annotated[float, typer.Option(min=0.1, help="Records a second.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.1, help="For how long.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed, the same records.")] = 1,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of records that were sent before.")] = 0.05,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that comes after later ones, or days late.")] = 0.05,
    malformed: Annotated[float, typer.Option(min=0, max=1, help="Share that breaks the contract.")] = 0.01,
    at: AtIfGiven = None,
    first_order: Annotated[int, typer.Option(min=1, help="The first order's number.")] = 1001,
    json: Json = False,
) -> None:
    """Send events of orders, some twice, late or malformed, and say how many of each there were.

    Which ones follows from the seed: what comes out at the other end can be held to it. Users and products are those of
    the recorded shop. The first event occurs now, or at the time that is given, and the others after it at the rate. A
    record that the stream refuses is sent again, until it takes each of them.

    Example: ingot stream send --source orders_stream --rate 20 --seconds 5 --seed 7
    """
    from ingot.cli import context
    from ingot.cli.output import show_json
    from ingot.traffic import Sender, Traffic

    names = context.names()
    target = _delivered(names, source)
    traffic = Traffic(
        seed=seed,
        records=max(1, round(rate * seconds)),
        begin=at or datetime.now(UTC),
        seconds=seconds,
        duplicates=duplicates,
        late=late,
        malformed=malformed,
        first_order=first_order,
    )
    totals = _Totals(traffic)
    sender = Sender(names.event_stream(target.source, target.name), rate=rate)
    stopped = False
    try:
        sender.send(totals.items())
    except KeyboardInterrupt:
        stopped = True
    found = {"stream": names.event_stream(target.source, target.name), "seed": seed, **totals.told(sender.sent)}
    found["retried"] = sender.retried
    if json:
        show_json(found)
    else:
        typer.echo(", ".join(f"{name} {value}" for name, value in found.items()))
    if stopped:
        raise typer.Exit(INTERRUPTED)


@stream.command("status")
def status(source: OfSource = None, stream: OfStream = None, json: Json = False) -> None:
    """How far each stream that lands has come: the objects that no batch took yet, and how long the oldest has waited.

    `newest_taken` is when the newest object was put that a batch took, `behind` the seconds since the oldest was that
    waits. What Kinesis and Firehose still hold is not counted.

    Example: ingot stream status --source orders_stream
    """
    from ingot.cli import context
    from ingot.cli.output import show
    from ingot.fetch.landed import Landing
    from ingot.sequence import newest_claim
    from ingot.warehouse.base import Table

    names = context.names()
    bronze, now = context.bronze(names), datetime.now(UTC)
    rows: list[tuple[object, ...]] = []
    for each, one in context.chosen_streams(names, source, stream):
        if one.mode != "landed":
            continue
        landing = Landing(one, newest_claim(bronze, each.name, one.name), bronze)
        waiting = landing.waiting()
        behind = round((now - min(stored.modified for stored in waiting)).total_seconds()) if waiting else None
        rows.append((each.name, one.name, landing.watermark, len(waiting), behind))
    columns = ["source", "stream", "newest_taken", "waiting", "behind"]
    show(Table(columns, rows), json=json)


class _Totals:
    """Counts what is handed over."""

    def __init__(self, traffic: Any) -> None:
        self._traffic = traffic
        self._kinds = {"event": 0, "duplicate": 0, "malformed": 0}
        self._late, self._orders = 0, set[int]()

    def items(self) -> Any:
        for record in self._traffic:
            self._kinds[record.kind] += 1
            if record.kind == "event":
                self._late += record.late
                self._orders.add(record.event["order_id"])
            yield record.data, record.key

    def told(self, sent: int) -> dict[str, Any]:
        return {
            "records": sent,
            "events": self._kinds["event"],
            "duplicates": self._kinds["duplicate"],
            "late": self._late,
            "malformed": self._kinds["malformed"],
            "orders": len(self._orders),
            "first_order": min(self._orders, default=None),
            "last_order": max(self._orders, default=None),
        }


def _delivered(names: Names, source: str) -> Stream:
    """The stream of a source that events of orders can be sent to.

    Raises:
        typer.BadParameter: there is no such source, or none of its streams is one.
    """
    from ingot.cli import context
    from ingot.traffic import fits

    (found,) = context.deployed_sources(names, source)
    for stream in found.streams.values():
        if stream.delivery is not None and fits(stream.contract):
            return stream
    raise typer.BadParameter(f"no stream of {source!r} takes events of orders (see sources/orders_stream)")
