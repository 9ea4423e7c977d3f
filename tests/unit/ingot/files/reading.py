"""What the tests of files read with: a contract with a field of each type, and one call from bytes to records."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ingot.contract import load_contract
from ingot.files import Files, Form
from ingot.files.detect import form_of
from ingot.files.model import Unreadable
from ingot.files.reader import Reader, broken, places
from ingot.files.unpack import files_in
from ingot.gate import Gate

_FIELDS = {
    "sku": {"logicalType": "string", "physicalType": "varchar(64)", "required": True, "primaryKey": True},
    "unitCost": {"logicalType": "number", "physicalType": "decimal(12,2)"},
    "weight": {"logicalType": "number", "physicalType": "double"},
    "stock": {"logicalType": "integer", "physicalType": "bigint"},
    "active": {"logicalType": "boolean"},
    "since": {"logicalType": "date"},
    "changed": {"logicalType": "timestamp"},
    "tags": {"logicalType": "array", "items": {"name": "tag", "logicalType": "string", "physicalType": "varchar(32)"}},
}
CONTRACT = load_contract(
    json.dumps(
        {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": "urn:test:items",
            "version": "1.0.0",
            "schema": [{"name": "items", "properties": [{"name": name} | field for name, field in _FIELDS.items()]}],
        }
    ),
    origin="test",
)


@dataclass(frozen=True)
class Read:
    """One record: JSON as it is, or what is refused."""

    line: int | None
    value: Any
    rule: str | None = None
    reason: str | None = None
    part: str = ""


def read(body: bytes, name: str = "file", **files: Any) -> list[Read]:
    """The records of what landed, and what cannot be read of it."""
    return [found for found, _ in _read(body, name, msgspec.convert(files, Files))]


def values(body: bytes, name: str = "file", **files: Any) -> list[Any]:
    """The records' values; none of them may be refused by the reader."""
    found = read(body, name, **files)
    assert [each for each in found if each.rule] == []
    return [each.value for each in found]


def form(body: bytes, name: str = "file", **files: Any) -> Form:
    """How a file that is not packed is read."""
    return form_of(io.BytesIO(body), name, CONTRACT, msgspec.convert(files, Files))


def refused(body: bytes, name: str = "file", **files: Any) -> list[tuple[int | None, str, str]]:
    """Line, path and rule of what the gate refuses, and the reader."""
    found = list(_read(body, name, msgspec.convert(files, Files)))
    faults = {place: fault for place, (_, (_, fault)) in enumerate(found) if fault is not None}
    verdict = Gate(CONTRACT).check(b"", [raw for _, (raw, _) in found], faults)
    return [
        (found[refusal.position][0].line, violation.path, violation.rule)
        for refusal in verdict.refused
        for violation in refusal.violations
    ]


def _read(body: bytes, name: str, files: Files) -> Iterator[tuple[Read, tuple[bytes, Any]]]:
    for file in files_in(io.BytesIO(body), name, max_mb=files.max_unpacked_mb):
        lines: list[int | None] = []
        form: Form | None = None
        try:
            if file.fault is not None:
                raise file.fault
            form = form_of(file.content, file.name, CONTRACT, files)
            for each in Reader(file.content, form, CONTRACT, files):
                lines.append(each.line)
                if each.fault is None:
                    try:
                        value = json.loads(each.record)
                    except ValueError:
                        value = each.record
                    yield Read(each.line, value, part=file.part), (each.record, None)
                else:
                    fault = each.fault
                    yield Read(each.line, each.record, fault.rule, fault.reason, file.part), (each.record, fault)
        except Unreadable as error:
            each = broken(file.content, error)
            assert each.fault is not None
            yield Read(each.line, each.record, each.fault.rule, each.fault.reason, file.part), (each.record, each.fault)
            continue
        # Read again without a contract, the records stand where they stood.
        assert list(places(file.content, form)) == lines
