"""Which column of a file is which field of the contract: headers come reordered, renamed and in other case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingot.contract.model import Contract, Property
from ingot.files.declared import Files
from ingot.files.model import Unreadable
from ingot.gate.redact import plain


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        index: its place, from 0.
        header: as the file spells it; empty if it has none.
        name: the key that its values have in a record.
        prop: what the contract says of it; None if it does not know it.
    """

    index: int
    header: str
    name: str
    prop: Property | None

    @property
    def place(self) -> str:
        """As a person finds it."""
        return f"{self.index + 1} ({self.header[:64]})" if self.header else str(self.index + 1)


class Headers:
    """What headers mean.

    A header is first looked for as it is spelt, then without regard to case, spaces, signs and accents, unless that
    would fit two fields.
    """

    def __init__(self, contract: Contract, files: Files) -> None:
        self._order = {p.name: place for place, p in enumerate(contract.properties)}
        self._properties = {p.name: p for p in contract.properties}
        self._exact = {name: name for name in self._order} | files.columns
        alike: dict[str, set[str]] = {}
        for header, field in self._exact.items():
            alike.setdefault(plain(header), set()).add(field)
        self._alike = {header: fields.pop() for header, fields in alike.items() if len(fields) == 1 and header}

    def known(self, headers: Iterable[str]) -> int:
        """How many fields they mean."""
        return len({field for header in headers if (field := self._field(header.strip())) is not None})

    def columns(self, headers: Sequence[str]) -> list[Column]:
        """The columns in the order in which a record has them: the contract's, then those that it does not know.

        Raises:
            Unreadable: two of them mean the same field, or none means any.
        """
        headers = [header.strip() for header in headers]
        fields = [self._field(header) for header in headers]
        for field, count in Counter(fields).items():
            if field is not None and count > 1:
                both = " and ".join(str(place + 1) for place, each in enumerate(fields) if each == field)
                raise Unreadable(f"Columns {both} of its header are both the field {field}", rule="header")
        if not any(fields):
            raise Unreadable("None of its headers names a field of the contract (files.columns)", rule="header")
        known = [
            Column(index, header, field, self._properties[field])
            for index, (header, field) in enumerate(zip(headers, fields, strict=True))
            if field is not None
        ]
        known.sort(key=lambda column: self._order[column.name])
        taken = set(self._order)
        for index, (header, field) in enumerate(zip(headers, fields, strict=True)):
            if field is None:
                name = _free(header or f"column_{index + 1}", taken)
                taken.add(name)
                known.append(Column(index, header, name, None))
        return known

    def _field(self, header: str) -> str | None:
        return self._exact.get(header) or self._alike.get(plain(header))


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
