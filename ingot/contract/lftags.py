"""From a contract to Lake Formation's LF-tags: who may read a column follows from how its field is classified.

A table carries its source, its layer and the strictest classification of its columns; each column carries its own. So
a column that nobody classified yet is closed, and a grant names tags, never tables:
https://docs.aws.amazon.com/lake-formation/latest/dg/tag-based-access-control.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Contract, Property

CLASSIFICATIONS = ("public", "internal", "confidential", "personal")
"""From open to strict; a contract has no others. What is ``secret`` has no column, and so no tag."""

LAYERS = ("bronze", "silver", "gold")


class LfTags(msgspec.Struct, frozen=True):
    """The tags of one table.

    Attributes:
        table: key → value.
        columns: classification → the columns that carry it, as ``AWS::LakeFormation::TagAssociation`` takes them.
    """

    table: dict[str, str]
    columns: dict[str, tuple[str, ...]]


def lf_tags(source: str, contract: Contract) -> LfTags:
    """The tags of a stream's table in the Glue Catalog."""
    classes = {c.name: max(_classes(c.property), key=CLASSIFICATIONS.index) for c in contract.columns}
    classes |= {name: "internal" for name, _, _ in LINEAGE}
    columns = {c: tuple(name for name, given in classes.items() if given == c) for c in CLASSIFICATIONS}
    strictest = max(classes.values(), key=CLASSIFICATIONS.index)
    return LfTags(
        table={"source": source, "layer": "bronze", "classification": strictest},
        columns={value: names for value, names in columns.items() if names},
    )


def _classes(prop: Property) -> Iterator[str]:
    """How a field is classified, and what it holds: a column shows all of it."""
    yield prop.classification
    for inner in (*prop.open_properties, *((prop.items,) if prop.items else ())):
        yield from _classes(inner)


def tag_values(sources: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Every tag with its possible values, which have to be there before one is given (``AWS::LakeFormation::Tag``)."""
    return {"source": tuple(sources), "layer": LAYERS, "classification": CLASSIFICATIONS}
