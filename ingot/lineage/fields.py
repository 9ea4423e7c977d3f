"""The fields of a stream, layer by layer, and which of them a field is made of: the contract says both."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ingot.contract import Contract
from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Column, Property

_LOAD = ("_load_id", "int64", "Number of the load into this table, without gaps.")


class Field(msgspec.Struct, frozen=True):
    """One field of a dataset.

    Attributes:
        name: of a record, its path as the source spells it, without the root: ``address.geolocation.lat``,
            ``products[].productId``; of a table, the column.
        type: in words of the layer: the contract's logical type of a record's field, else the column's; empty if
            nothing declares it.
        description: what it means.
        classification: the contract's; empty where there is no contract.
    """

    name: str
    type: str = ""
    description: str = ""
    classification: str = ""


def record_fields(contract: Contract, *, behind_the_gate: bool) -> tuple[Field, ...]:
    """The leaves of a record: as it is sent, or as it is stored, without what is secret."""
    return tuple(
        Field(name, prop.logical_type, prop.description, prop.classification)
        for name, prop in _leaves(contract.properties, "")
        if not (behind_the_gate and prop.classification == "secret")
    )


def column_fields(contract: Contract, *, loaded: bool) -> tuple[Field, ...]:
    """The columns of the Parquet, or of the Bronze table, which also has the number of the load."""
    own = (
        Field(c.name, c.property.physical_type or c.property.logical_type, c.property.description, _class(c.property))
        for c in contract.columns
    )
    lineage = (*LINEAGE, _LOAD) if loaded else LINEAGE
    return (*own, *(Field(name, kind, meaning, "internal") for name, kind, meaning in lineage))


def made_of(contract: Contract) -> dict[str, tuple[str, ...]]:
    """Column of the Parquet → the fields of a record that it holds: one, or all of an array's."""
    return {column.name: tuple(_paths_of(column)) for column in contract.columns}


def _paths_of(column: Column) -> Iterator[str]:
    prefix = "".join(f"{key}." for key in column.path[:-1])
    for name, prop in _leaves((column.property,), prefix):
        if prop.classification != "secret":
            yield name


def _leaves(properties: tuple[Property, ...], prefix: str) -> Iterator[tuple[str, Property]]:
    for prop in properties:
        yield from _leaf(prop, f"{prefix}{prop.name}")


def _leaf(prop: Property, name: str) -> Iterator[tuple[str, Property]]:
    if prop.classification == "secret":  # whatever is in it
        yield name, prop
    elif prop.properties:
        yield from _leaves(prop.properties, f"{name}.")
    elif prop.items is not None:
        yield from _leaf(prop.items, f"{name}[]")
    else:
        yield name, prop


def _class(prop: Property) -> str:
    """Of an array, the strictest that is in it: it is one column."""
    inside = [_class(p) for p in (*prop.open_properties, *((prop.items,) if prop.items else ()))]
    order = ("public", "internal", "confidential", "personal")
    known = [c for c in (prop.classification, *inside) if c in order]
    return max(known, key=order.index) if inside and known else prop.classification
