"""From a contract to the columns of its Glue Catalog table (Hive types, as Athena and Spark read them)."""

from __future__ import annotations

from dataclasses import dataclass

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Contract, Property, column_name, decimal_shape, integer_bits

_INTEGERS = {16: "smallint", 32: "int", 64: "bigint"}
_LINEAGE = {"string": "string", "int64": "bigint", "boolean": "boolean", "timestamp": "timestamp"}


@dataclass(frozen=True)
class GlueColumn:
    """One column: its name, its Hive type and what it means."""

    name: str
    type: str
    comment: str


def glue_columns(contract: Contract) -> list[GlueColumn]:
    """The columns of the Parquet that refine writes: the contract's, then the lineage columns."""
    data = [GlueColumn(c.name, hive_type(c.property), c.property.description) for c in contract.columns]
    return data + [GlueColumn(name, _LINEAGE[kind], meaning) for name, kind, meaning in LINEAGE]


def hive_type(prop: Property) -> str:
    """The Hive type of one field; arrays of objects become ``array<struct<…>>``."""
    match prop.logical_type:
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "number":
            shape = decimal_shape(prop)
            return f"decimal({shape[0]},{shape[1]})" if shape else "double"
        case "array":
            assert prop.items is not None
            return f"array<{hive_type(prop.items)}>"
        case "object":
            inner = ",".join(f"{column_name(p)}:{hive_type(p)}" for p in prop.open_properties)
            return f"struct<{inner}>"
        case other:
            return other
