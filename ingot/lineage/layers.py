"""The datasets of one stream, from its source to its Bronze table, and how the columns of each are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ingot.lineage import names as called
from ingot.lineage.fields import Field, column_fields, made_of, record_fields
from ingot.lineage.model import Dataset, Input, Layer, Made, Part
from ingot.lineage.names import Name
from ingot.naming import table_name
from ingot.sources import Source, Stream

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint


def origins(source: Source, stream: Stream, bucket: str, events: Name | None = None) -> Iterator[Part]:
    """Where records are from: what is asked, or what landed and, if it is known, the stream that delivered it.

    The last but for a fallback is what a batch reads as a rule.

    Args:
        bucket: Bronze.
        events: what the events of a stream that has a delivery are sent to.
    """
    sent = record_fields(stream.contract, behind_the_gate=False)
    if stream.mode == "landed":
        landed = _dataset(stream, "landing", f"landed for {_both(stream)}", called.landing(bucket, stream), sent)
        if stream.delivery is None or events is None:
            yield Part(landed, (), {})
            return
        sender = _dataset(stream, "source", f"{source.title}: {stream.name}", events, sent)
        yield Part(sender, (), {})
        yield Part(landed, (sender.id,), _same(sender, sent))
        return
    asked = called.api(source.base_url, stream.path)
    yield Part(_dataset(stream, "source", f"{source.title}: {stream.name}", asked, sent), (), {})
    if stream.fallback is not None:
        other = called.api(stream.fallback.base_url, stream.fallback.path)
        title = f"{source.title}: {stream.name}, if it is away"
        yield Part(_dataset(stream, "source", title, other, sent, "_fallback"), (), {})


def data(stream: Stream, bucket: str, origins: Iterable[Dataset]) -> Part:
    """The accepted records in the Bronze bucket, of the datasets that records are from."""
    kept = record_fields(stream.contract, behind_the_gate=True)
    name = called.accepted(bucket, stream.source, stream.name)
    # Of what lands, what is sent is one step away.
    read = [origin for origin in origins if (origin.layer == "landing") == (stream.mode == "landed")]
    made = {field.name: tuple(Input(origin.id, field.name) for origin in read) for field in kept}
    dataset = _dataset(stream, "data", f"accepted records of {_both(stream)}", name, kept)
    return Part(dataset, tuple(origin.id for origin in read), made)


def lake(stream: Stream, bucket: str) -> Part:
    """The Parquet in the lake."""
    read = f"data.{table_name(stream.source, stream.name)}"
    made: Made = {
        column: tuple(Input(read, field, "same" if fields == (field,) else "computed") for field in fields)
        for column, fields in made_of(stream.contract).items()
    }
    name = called.refined(bucket, stream.source, stream.name)
    columns = column_fields(stream.contract, loaded=False)
    return Part(_dataset(stream, "lake", f"Parquet of {_both(stream)}", name, columns), (read,), made)


def bronze(stream: Stream, endpoint: Endpoint) -> Part:
    """The Bronze table."""
    read = f"lake.{table_name(stream.source, stream.name)}"
    made: Made = {f.name: (Input(read, f.name),) for f in column_fields(stream.contract, loaded=False)}
    name = called.loaded(endpoint, stream.source, stream.name)
    columns = column_fields(stream.contract, loaded=True)
    title = f"bronze.{table_name(stream.source, stream.name)}"
    return Part(_dataset(stream, "bronze", title, name, columns), (read,), made)


def _dataset(
    stream: Stream, layer: Layer, title: str, name: Name, fields: tuple[Field, ...], variant: str = ""
) -> Dataset:
    id = f"{layer}.{table_name(stream.source, stream.name)}{variant}"
    return Dataset(id, layer, title, name, fields, stream.contract.description, (stream.source, stream.name))


def _same(origin: Dataset, fields: tuple[Field, ...]) -> Made:
    return {field.name: (Input(origin.id, field.name),) for field in fields}


def _both(stream: Stream) -> str:
    return f"{stream.source}.{stream.name}"
