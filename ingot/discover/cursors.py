"""Fields that may say when a record last changed. Whether the source can be asked by one of them cannot be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingot.contract.model import snake_case
from ingot.discover.fields import Field

_UPDATED = re.compile(
    r"updated|modified|changed|last_?(edit|write|touch|seen)|mtime|revision|(^|_)version$|sequence|(^|_)seq$"
)
_KINDS = ({"timestamp"}, {"date"}, {"integer"})


@dataclass(frozen=True)
class Candidate:
    """One of them.

    Attributes:
        name: the field's.
        why: the evidence.
        kind: timestamp, date, epoch (milliseconds since 1970) or integer.
    """

    name: str
    why: str
    kind: str


def candidates(record: Field) -> list[Candidate]:
    """Those that every record has: times, and integers that are named so; the likeliest first."""
    found = []
    for one in record.members.values():
        if one.count != record.objects or one.kinds not in _KINDS:
            continue
        (kind,) = one.kinds
        named = bool(_UPDATED.search(snake_case(one.name)))
        if kind == "integer" and not named and not one.is_time:
            continue
        told = (
            "named like a last change" if named else "a time, though its name does not say that it moves with a change"
        )
        why = f"in {one.count} of {record.objects} records, {one.low} to {one.high}; {told}"
        found.append((named, Candidate(one.name, why, "epoch" if one.is_time else kind)))
    return [candidate for _, candidate in sorted(found, key=lambda each: not each[0])]
