"""What lineage is made of: datasets, and what a column is made of."""

from __future__ import annotations

from typing import Literal

import msgspec

from ingot.lineage.fields import Field
from ingot.lineage.names import Name

Layer = Literal["source", "landing", "data", "lake", "bronze", "staging", "silver", "gold"]
Kind = Literal["same", "computed", "aggregated"]

LAYERS: tuple[Layer, ...] = ("source", "landing", "data", "lake", "bronze", "staging", "silver", "gold")
"""In the order in which data takes them: what is asked or sent, what landed, the accepted records in S3, the Parquet,
and the schemas of the warehouse."""


class Dataset(msgspec.Struct, frozen=True):
    """One dataset.

    Attributes:
        id: its layer and its name in it, which no other dataset has: of a table of the warehouse, the table with its
            schema (``gold.category_revenue``); else ``data.fakestore_carts``.
        layer: one of :data:`LAYERS`.
        title: how people call it, on one line.
        name: what OpenLineage calls it.
        fields: its fields, in its own order.
        description: what one row or record of it is.
        stream: source and stream, up to Bronze.
    """

    id: str
    layer: Layer
    title: str
    name: Name
    fields: tuple[Field, ...]
    description: str = ""
    stream: tuple[str, str] | None = None


class Input(msgspec.Struct, frozen=True):
    """A column that another column is made of.

    Attributes:
        dataset: the id of its dataset.
        column: its name; ``*``: of no column but of how many rows there are.
        kind: ``same``: its value as it is; ``computed``: changed, or with others; ``aggregated``: of many rows.
    """

    dataset: str
    column: str
    kind: Kind = "same"


Made = dict[str, tuple[Input, ...]]
"""Column → what it is made of."""
Columns = dict[str, Made]
"""Of each dataset, by its id."""


class Part(msgspec.Struct, frozen=True):
    """One dataset of a graph, the ids of those that it is made of, and what its columns are made of."""

    dataset: Dataset
    inputs: tuple[str, ...]
    columns: Made
