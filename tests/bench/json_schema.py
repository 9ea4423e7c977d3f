"""A stream's contract as JSON Schema, for validators of others.

``python -m tests.bench.json_schema SOURCE STREAM FILE``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ingot.contract.model import Property, integer_bits, max_length
from ingot.sources import load_source
from tests.bench.stage import ROOT


def schema(properties: tuple[Property, ...]) -> dict[str, Any]:
    """The schema of one object. Unknown fields are let through, as the gate does."""
    return {
        "type": "object",
        "properties": {prop.name: _optional(prop) for prop in properties},
        "required": [prop.name for prop in properties if prop.required],
    }


def _optional(prop: Property) -> dict[str, Any]:
    value = _value(prop)
    return value if prop.required else value | {"type": [value["type"], "null"]}


def _value(prop: Property) -> dict[str, Any]:
    options = prop.logical_type_options
    match prop.logical_type:
        case "object":
            return schema(prop.properties)
        case "array":
            assert prop.items is not None
            return _given(
                type="array", items=_value(prop.items), minItems=options.min_items, maxItems=options.max_items
            )
        case "integer":
            most = 2 ** (integer_bits(prop) - 1)
            low = -most if options.minimum is None else int(options.minimum)
            return {"type": "integer", "minimum": low, "maximum": most - 1}
        case "number":
            return _given(type="number", minimum=options.minimum, maximum=options.maximum)
        case "timestamp":
            return {"type": "string", "format": "date-time"}
        case "date":
            return {"type": "string", "format": "date"}
        case "boolean":
            return {"type": "boolean"}
        case _:
            return _given(
                type="string", minLength=options.min_length, maxLength=max_length(prop), pattern=options.pattern
            )


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


if __name__ == "__main__":
    source, stream, file = sys.argv[1:]
    contract = load_source(ROOT / "sources" / source).stream(stream).contract
    Path(file).write_text(json.dumps(schema(contract.properties)), "utf-8")
