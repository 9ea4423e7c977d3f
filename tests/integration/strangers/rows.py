"""What the recordings of the strangers mean, as rows: computed from the JSON alone, with no part of what is tested."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingot.contract import Contract
from ingot.contract.model import Property, column_name

STRANGERS = Path(__file__).resolve().parents[2] / "strangers"


def recording(name: str) -> list[dict[str, Any]]:
    (file,) = (STRANGERS / name / "recorded").glob("*.json")
    rows: list[dict[str, Any]] = json.loads(file.read_text(), parse_float=Decimal)
    return rows


def expected(contract: Contract, row: dict[str, Any]) -> dict[str, Any]:
    """The row of the warehouse that a recorded one stands for."""
    found = {}
    for column in contract.columns:
        value: Any = row
        for name in column.path:
            value = (value or {}).get(name)
        found[column.name] = meant(column.property, value)
    return found


def meant(prop: Property, value: Any) -> Any:
    """What a value of a recording means."""
    if value is None:
        return None
    match prop.logical_type:
        case "timestamp" if prop.source_form:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
        case "timestamp":
            return datetime.fromisoformat(value)
        case "date":
            return date.fromisoformat(value)
        case "integer":
            return int(value)
        case "number" if prop.physical_type == "double":
            return float(value)
        case "number":
            return Decimal(value)
        case "array":
            assert prop.items is not None
            return [meant(prop.items, element) for element in value]
        case "object":
            return {column_name(p): meant(p, value.get(p.name)) for p in prop.open_properties}
    return value if isinstance(value, str | bool) else str(value)


def plain(value: Any) -> Any:
    """JSON as the warehouse keeps lists, whose numbers are compared as floats."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return float(value) if isinstance(value, Decimal) else value
