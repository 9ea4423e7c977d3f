"""What the rows of a table are made of, as the dbt project's YAML declares it.

A model says it under ``config.meta``, a source's table (generated from its contract) says its key::

    key: [order_id, line_number]
    made_of:
      - {table: bronze.fakestore_carts, where: {_batch_id: _batch_id, _line: _line}}
      - {table: bronze.fakestore_products, as: price, where: {_batch_id: _price_batch_id, _line: _price_line}}

``where`` names, for columns there, the columns here that hold their value; a column there with no name must be null.
The schema of a model is the folder below ``models/`` that it is in: ``staging``, ``silver``, ``gold``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ingot.documents import read_bytes, read_document
from ingot.errors import ConfigurationError
from ingot.naming import Names
from ingot.storage import ObjectStore

_DEPLOYED = "dags/dbt/"  # in the bucket of the DAGs, see docs/reference/layout.md


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From a row to rows of one other table that it is made of."""

    table: str
    where: dict[str, str | None]
    label: str = msgspec.field(name="as", default="")


class Node(msgspec.Struct, frozen=True):
    """One table of the walk.

    Attributes:
        table: with its schema.
        key: the columns that tell its rows apart; in Bronze, those of one thing's versions.
        made_of: where the walk goes on.
        stream: source and stream, if it is a Bronze table: there the rows end, and batches begin.
    """

    table: str
    key: tuple[str, ...]
    made_of: tuple[Step, ...] = ()
    stream: tuple[str, str] | None = None


class _Meta(msgspec.Struct):
    key: tuple[str, ...]
    made_of: tuple[Step, ...] = ()


class Walk(dict[str, Node]):
    """Every table that can be explained, by its name."""

    def node(self, table: str) -> Node:
        """One table.

        Raises:
            ConfigurationError: the project declares no such table.
        """
        try:
            return self[table]
        except KeyError:
            raise ConfigurationError(
                f"There is no table {table!r} whose rows can be explained.", hint=f"choose one of {', '.join(self)}"
            ) from None


def read_walk(project: Path | None, names: Names) -> Walk:
    """The walk of a dbt project.

    Args:
        project: its folder; None: the one that is deployed beside the DAGs.

    Raises:
        ConfigurationError: there is none, or its YAML declares something that is no walk.
    """
    files = _local(project) if project is not None else _deployed(ObjectStore(names.dags_bucket))
    nodes = sorted((node for file, content in files for node in _nodes(file, content)), key=lambda node: node.table)
    if not nodes:
        raise ConfigurationError(
            "There is no dbt project that says what its rows are made of.",
            hint="give its folder with --dbt, or deploy the DAG bundle",
        )
    return Walk({node.table: node for node in nodes})


def _local(project: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for file in sorted((project / "models").rglob("*.yml")):
        yield PurePosixPath(file.relative_to(project)), read_bytes(file)


def _deployed(dags: ObjectStore) -> Iterator[tuple[PurePosixPath, bytes]]:
    for key in dags.keys(f"{_DEPLOYED}models/"):
        if key.endswith(".yml"):
            yield PurePosixPath(key.removeprefix(_DEPLOYED)), dags.get(key)


def _nodes(file: PurePosixPath, content: bytes) -> Iterator[Node]:
    document = read_document(content, origin=str(file)) or {}
    try:
        for model in document.get("models", ()):
            if meta := _meta(model):
                yield Node(f"{file.parts[1]}.{model['name']}", meta.key, meta.made_of)
        for source in document.get("sources", ()):
            for table in source["tables"]:
                if meta := _meta(table):
                    name = f"{source.get('schema', source['name'])}.{table.get('identifier', table['name'])}"
                    yield Node(name, meta.key, stream=(source["name"], table["name"]))
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} does not say what its rows are made of in a way that can be read: {error}.",
            hint="see `made_of` in dbt/models/silver/_silver__models.yml",
        ) from error


def _meta(described: dict[str, Any]) -> _Meta | None:
    meta = described.get("config", {}).get("meta", {})
    return msgspec.convert(meta, _Meta) if "key" in meta else None
