"""The fast pass, and what becomes of a page's records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ingot.contract.model import Contract
from ingot.gate.explain import Explainer, Stranger, Violation
from ingot.gate.redact import Redactor
from ingot.gate.types import Path, record_type

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MOST_UNKNOWN = 100  # a map keyed by id would otherwise be a new field a record
_SUSPICIOUS = (
    b"\\u0000",  # a NUL, which no warehouse stores
    b"\\u0022",  # a quote that is written in full when it is encoded again, and so miscounted
    *(b" :", b"\t:", b"\n:", b"\r:"),  # keys that are not followed by their colon, likewise
    *(b'"0001-', b'"9999-'),  # times that may leave the calendar when they become UTC
)


@dataclass(frozen=True)
class Refusal:
    """A record that was refused whole.

    Attributes:
        position: its place in what the source sent for the batch, from 0.
        key: the values of its primary key as JSON, where they could be read.
        violations: every rule that it breaks.
        record: its bytes without secrets; None if it is no JSON object and the contract has secrets, since then
            nobody can say where a secret begins.
        sha256: of the bytes that are kept.
    """

    position: int
    key: str | None
    violations: list[Violation]
    record: bytes | None
    sha256: str | None


@dataclass(frozen=True)
class Unknown:
    """A field that the contract does not know (drift): its path, JSON type and where it was first seen."""

    path: str
    type: str
    first_position: int


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one page: the lines that go to Bronze, and the refused."""

    accepted: list[bytes]
    refused: list[Refusal]


@dataclass
class Gate:
    """Checks a batch's pages, one after the other, against one contract.

    A page that is wholly right costs one compiled decode. Only a page in which anything is wrong or new is
    looked at record by record. An unknown field is let through and reported once; the validator is compiled
    again with it, so that drift does not make the rest of the batch slow.
    """

    contract: Contract
    unknown: list[Unknown] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._explainer = Explainer(self.contract)
        self._redactor = Redactor(self.contract.secrets)
        self._tolerated: dict[Path, frozenset[str]] = {}
        self._reported: set[str] = set()
        self._compile()

    def check(self, body: bytes, records: list[bytes]) -> Verdict:
        """Accept or refuse every record of one page.

        Args:
            body: the page: a JSON array.
            records: its elements, as :func:`ingot.gate.split.split` finds them.
        """
        verdict = Verdict([], [])
        if self._is_clean(body, len(records)):
            verdict.accepted.extend(self._line(record) for record in records)
        else:
            for offset, record in enumerate(records):
                self._check_one(record, self._seen + offset, verdict)
        self._seen += len(records)
        if self._stale:
            self._compile()
        return verdict

    def _is_clean(self, body: bytes, count: int) -> bool:
        # What msgspec lets pass and others do not is looked for in the bytes; a false alarm costs only time.
        if any(sign in body for sign in _SUSPICIOUS):
            return False
        try:
            records = self._page.decode(body)
        except (ValueError, RecursionError):
            return False
        # A key that stands twice in an object is there once when the page is encoded again. `":` cannot stand
        # inside a JSON string but behind a backslash, and is then in both.
        return len(records) == count and msgspec.json.encode(records).count(b'":') == body.count(b'":')

    def _check_one(self, record: bytes, position: int, verdict: Verdict) -> None:
        violations, strangers = self._explainer.explain(record)
        if violations:
            verdict.refused.append(self._refuse(record, position, violations))
            return
        self._note(strangers, position)
        verdict.accepted.append(self._line(record))

    def _line(self, record: bytes) -> bytes:
        line = self._redactor.cut(record) if self._redactor.active else record
        # JSON allows raw line ends only between tokens: there they mean nothing, and a line is one record.
        if b"\n" in line or b"\r" in line:
            line = line.replace(b"\r", b" ").replace(b"\n", b" ")
        return line

    def _refuse(self, record: bytes, position: int, violations: list[Violation]) -> Refusal:
        kept: bytes | None
        try:
            kept = self._redactor.cut(record)
        except (ValueError, RecursionError):
            kept = None
        digest = hashlib.sha256(kept).hexdigest() if kept is not None else None
        return Refusal(position, self._key(kept), violations, kept, digest)

    def _key(self, record: bytes | None) -> str | None:
        try:
            members = _OBJECT.decode(record or b"")
            key = b",".join(bytes(members[name]) for name in self.contract.primary_key).decode()
        except (ValueError, KeyError, RecursionError):
            return None
        return key if len(key) <= 128 else None

    def _note(self, strangers: list[Stranger], position: int) -> None:
        for stranger in strangers:
            known = self._tolerated.get(stranger.holder, frozenset())
            if stranger.name in known or len(self._reported) == _MOST_UNKNOWN:
                continue
            path = "$" + "".join(p if p == "[]" else f".{p}" for p in (*stranger.holder, stranger.name))
            if path not in self._reported:
                self._reported.add(path)
                self.unknown.append(Unknown(path[:256], stranger.type, position))
            # A name that has to be escaped cannot be compiled: such pages go on being looked at one by one.
            if json.dumps(stranger.name, ensure_ascii=False) == f'"{stranger.name}"':
                self._tolerated[stranger.holder] = known | {stranger.name}
                self._stale = True

    def _compile(self) -> None:
        record: Any = record_type(self.contract.properties, self._tolerated)
        self._page = msgspec.json.Decoder(list[record])
        self._stale = False
