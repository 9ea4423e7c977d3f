"""The declared graph: every dataset between a source and gold, and which column is made of which.

Nothing has to run for it: contracts and `source.yaml` say what lies before the warehouse, and the dbt project what lies
in it. Its column lineage is read from the models' SQL where the project is parsed (`make manifest`) and kept in
``target/lineage.json`` beside dbt's manifest, so that nobody who looks at it waits for dbt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ingot.errors import BatchMissing, ConfigurationError
from ingot.lineage import layers
from ingot.lineage import names as called
from ingot.lineage.fields import Field
from ingot.lineage.model import LAYERS, Columns, Dataset, Layer, Made, Part
from ingot.naming import Names
from ingot.sources import Source, Stream
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

LINEAGE_FILE = "target/lineage.json"
"""In the dbt project: what `make manifest` found of its models."""
_DEPLOYED = f"dags/dbt/{LINEAGE_FILE}"  # in the bucket of the DAGs, see docs/reference/layout.md

T = TypeVar("T")
At = tuple[str, str]
"""A dataset's id and a column."""


class Model(msgspec.Struct, frozen=True):
    """What is known of a table that dbt builds, see :mod:`ingot.lineage.models`.

    Attributes:
        table: with its schema.
        description: its own.
        fields: its columns.
        inputs: the tables that it reads.
        columns: column → what it is made of.
    """

    table: str
    description: str
    fields: tuple[Field, ...]
    inputs: tuple[str, ...]
    columns: Made


class Graph(msgspec.Struct, frozen=True, dict=True):
    """Datasets, what they are made of, and what their columns are made of.

    Attributes:
        datasets: by id, in the order of the layers.
        edges: from a dataset to one that is made of it.
        columns: dataset and column → what it is made of; a column that is made of none is left out.
    """

    datasets: dict[str, Dataset]
    edges: tuple[tuple[str, str], ...]
    columns: Columns

    def dataset(self, id: str) -> Dataset:
        """One dataset.

        Raises:
            ConfigurationError: there is none of this id.
        """
        try:
            return self.datasets[id]
        except KeyError:
            raise ConfigurationError(
                f"There is no dataset {id!r}.", hint=f"choose one of {', '.join(self.datasets)}"
            ) from None

    def inputs(self, id: str) -> tuple[str, ...]:
        """The datasets that one is made of."""
        return tuple(source for source, target in self.edges if target == id)

    def outputs(self, id: str) -> tuple[str, ...]:
        """The datasets that are made of one."""
        return tuple(target for source, target in self.edges if source == id)

    def upstream(self, id: str, column: str | None = None) -> Graph:
        """The part of the graph that a dataset, or one of its columns, is made of; it is in it.

        Raises:
            ConfigurationError: there is no such dataset or column.
        """
        if column is None:
            return self._of_datasets(_closure(self.dataset(id).id, self.inputs))
        return self._of_columns(_closure(self._at(id, column), self._columns_of))

    def downstream(self, id: str, column: str | None = None) -> Graph:
        """The part of the graph that is made of a dataset, or of one of its columns; it is in it.

        Raises:
            ConfigurationError: there is no such dataset or column.
        """
        if column is None:
            return self._of_datasets(_closure(self.dataset(id).id, self.outputs))
        return self._of_columns(_closure(self._at(id, column), lambda at: self._used_by.get(at, ())))

    @cached_property
    def _used_by(self) -> dict[At, list[At]]:
        found: dict[At, list[At]] = defaultdict(list)
        for dataset, columns in self.columns.items():
            for column, inputs in columns.items():
                for each in inputs:
                    found[each.dataset, each.column].append((dataset, column))
        return found

    def _columns_of(self, at: At) -> Iterator[At]:
        return ((each.dataset, each.column) for each in self.columns.get(at[0], {}).get(at[1], ()))

    def _at(self, id: str, column: str) -> At:
        known = [field.name for field in self.dataset(id).fields]
        if column not in known:
            raise ConfigurationError(f"{id} has no column {column!r}.", hint=f"choose one of {', '.join(known)}")
        return id, column

    def _of_datasets(self, ids: set[str]) -> Graph:
        edges = tuple(edge for edge in self.edges if ids.issuperset(edge))
        return self._part(ids, edges, {id: columns for id, columns in self.columns.items() if id in ids})

    def _of_columns(self, ats: set[At]) -> Graph:
        columns: Columns = {}
        for dataset, column in ats:
            inputs = self.columns.get(dataset, {}).get(column, ())
            if kept := tuple(each for each in inputs if (each.dataset, each.column) in ats):
                columns.setdefault(dataset, {})[column] = kept
        used = {(i.dataset, d) for d, made in columns.items() for inputs in made.values() for i in inputs}
        return self._part({id for id, _ in ats}, tuple(edge for edge in self.edges if edge in used), columns)

    def _part(self, ids: set[str], edges: tuple[tuple[str, str], ...], columns: Columns) -> Graph:
        return Graph({id: found for id, found in self.datasets.items() if id in ids}, edges, columns)


def read_graph(sources: Iterable[Source], project: Path | None, names: Names, endpoint: Endpoint) -> Graph:
    """The graph of an environment.

    Args:
        sources: with their contracts.
        project: the folder of the dbt project; None: the one that is deployed beside the DAGs.
        names: of the environment.
        endpoint: of its warehouse.

    Raises:
        ConfigurationError: the lineage of the models is not there, or is none.
        StorageUnavailable: S3 did not answer.
    """
    return declared(sources, read_models(project, names), names, endpoint)


def read_models(project: Path | None, names: Names) -> tuple[Model, ...]:
    """What ``make manifest`` found of the models.

    Raises:
        ConfigurationError: it is not there, or is of another version.
        StorageUnavailable: S3 did not answer.
    """
    where = f"s3://{names.dags_bucket}/{_DEPLOYED}" if project is None else str(project / LINEAGE_FILE)
    try:
        if project is None:
            content = ObjectStore(names.dags_bucket).get(_DEPLOYED)
        else:
            content = (project / LINEAGE_FILE).read_bytes()
    except (BatchMissing, OSError) as error:
        raise ConfigurationError(
            f"The lineage of the dbt project's models is not there: {where}.",
            hint="run `make manifest`" if project is not None else "deploy the DAG bundle, or name a dbt project",
        ) from error
    try:
        return msgspec.json.decode(content, type=tuple[Model, ...])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{where} is no lineage: {error}.", hint="run `make manifest`") from error


def declared(sources: Iterable[Source], models: Iterable[Model], names: Names, endpoint: Endpoint) -> Graph:
    """The graph of some sources and models."""
    parts = [
        part
        for source in sources
        for stream in source.streams.values()
        for part in _stream(source, stream, names, endpoint)
    ]
    parts += [_model(model, endpoint) for model in models]
    parts.sort(key=lambda part: (LAYERS.index(part.dataset.layer), part.dataset.id))
    datasets = {part.dataset.id: part.dataset for part in parts}
    edges = tuple((source, part.dataset.id) for part in parts for source in part.inputs if source in datasets)
    columns = {}
    for part in parts:
        kept = {column: tuple(i for i in inputs if i.dataset in datasets) for column, inputs in part.columns.items()}
        if made := {column: inputs for column, inputs in kept.items() if inputs}:
            columns[part.dataset.id] = made
    return Graph(datasets, edges, columns)


def _stream(source: Source, stream: Stream, names: Names, endpoint: Endpoint) -> Iterator[Part]:
    """What there is of a stream up to its Bronze table."""
    origins = list(layers.origins(source, stream, names.bronze_bucket, called.events(names, stream)))
    yield from origins
    yield layers.data(stream, names.bronze_bucket, [part.dataset for part in origins])
    yield layers.lake(stream, names.lake_bucket)
    yield layers.bronze(stream, endpoint)


def _model(model: Model, endpoint: Endpoint) -> Part:
    layer = msgspec.convert(model.table.partition(".")[0], Layer)
    name = called.table(endpoint, model.table)
    dataset = Dataset(model.table, layer, model.table, name, model.fields, model.description)
    return Part(dataset, model.inputs, model.columns)


def _closure[T](start: T, further: Callable[[T], Iterable[T]]) -> set[T]:
    """What is reached from a place, itself among it."""
    seen, rest = {start}, [start]
    while rest:
        for each in further(rest.pop()):
            if each not in seen:
                seen.add(each)
                rest.append(each)
    return seen
