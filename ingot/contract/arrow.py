"""From a contract to the Arrow schema of its refined Parquet."""

from __future__ import annotations

import pyarrow as pa

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Contract, Property, column_name, decimal_shape, integer_bits

TIMESTAMP = pa.timestamp("us", tz="UTC")
_INTEGERS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_PLAIN = {"string": pa.string(), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": TIMESTAMP}
_LINEAGE = {"string": pa.string(), "int64": pa.int64(), "boolean": pa.bool_(), "timestamp": TIMESTAMP}


def arrow_schema(contract: Contract) -> pa.Schema:
    """The contract's columns, then the lineage columns. Only these and the key are there in a deleted key's row."""
    key = contract.primary_key
    fields = [pa.field(c.name, arrow_type(c.property), nullable=c.path[0] not in key) for c in contract.columns]
    return pa.schema(fields + [pa.field(name, _LINEAGE[kind], nullable=False) for name, kind, _ in LINEAGE])


def arrow_type(prop: Property) -> pa.DataType:
    """The Arrow type of one field."""
    match prop.logical_type:
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "number":
            shape = decimal_shape(prop)
            return pa.decimal128(*shape) if shape else pa.float64()
        case "array":
            assert prop.items is not None
            return pa.list_(arrow_type(prop.items))
        case "object":
            return pa.struct([pa.field(column_name(p), arrow_type(p)) for p in prop.open_properties])
        case other:
            return _PLAIN[other]
