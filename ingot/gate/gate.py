"""The fast pass, and what becomes of a page's records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from ingot.contract.model import Contract
from ingot.contract.pattern import Pattern
from ingot.gate.differences import Differences
from ingot.gate.explain import Explainer, Stranger, Violation
from ingot.gate.keys import key_counter
from ingot.gate.limits import MOST_BYTES
from ingot.gate.redact import Redactor
from ingot.gate.types import EARLIEST, LATEST, Path, leaves, record_type, texts, values_at

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACES = (b" ", b"\t", b"\n", b"\r")
_SPACED = tuple(space + b":" for space in _SPACES)  # keys that are not followed by their colon, and so miscounted
_ESCAPED = (
    *(b"\\u0022", b"\\u003a", b"\\u003A"),  # a quote, a colon: written in full when they are encoded again
    b"\\u0000",  # what no warehouse stores
)


@dataclass(frozen=True)
class InFile:
    """Where a record stands in what landed.

    Attributes:
        object: its key in the Bronze bucket.
        part: the file in it, if it is an archive.
        line: where the record begins, from 1: a line of text, a row of a sheet; None if nobody can say.
        columns: where what breaks a rule stands, by the violation's path: a column's number and name, or a character.
    """

    object: str
    part: str
    line: int | None
    columns: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """A record that was refused whole.

    Attributes:
        position: its place in what the source sent for the batch, from 0.
        key: the values of its primary key as JSON, where they could be read.
        violations: every rule that it breaks.
        record: its bytes without secrets; None if the contract has secrets and nobody can say where they begin: it
            is no JSON object, or is too large or too deep to be looked through.
        sha256: of the bytes that are kept.
        line: how many lines the batch had before it; None where nobody counted.
        file: where it stands in what landed, if it did.
    """

    position: int
    key: str | None
    violations: list[Violation]
    record: bytes | None
    sha256: str | None
    line: int | None = None
    file: InFile | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one page: the lines that go to Bronze, and the refused."""

    accepted: list[bytes]
    refused: list[Refusal]


@dataclass
class Gate:
    """Checks a batch's pages, one after the other, against one contract.

    A page that is wholly right costs one compiled decode. A page in which anything is wrong or new is decoded record by
    record, and only what is not right by itself is looked at closely. An unknown field is let through and reported; the
    validator is compiled again with it, so that drift does not make the rest of the batch slow.

    Attributes:
        differences: in what the records differ from the contract, so far.
    """

    contract: Contract
    _seen: int = 0

    def __post_init__(self) -> None:
        self.differences = Differences(self.contract)
        self._explainer = Explainer(self.contract)
        self._redactor = Redactor(self.contract.secrets)
        places = list(leaves(self.contract.properties))
        patterns = ((place, prop.logical_type_options.pattern) for place, prop in places)
        self._patterns = [(place, Pattern(pattern)) for place, pattern in patterns if pattern is not None]
        self._moments = [place for place, prop in places if prop.logical_type == "timestamp" and not prop.source_form]
        self._tolerated: dict[Path, frozenset[str]] = {}
        self._compile()

    def check(self, body: bytes, records: list[bytes], faults: Mapping[int, Violation] | None = None) -> Verdict:
        """Accept or refuse every record of one page.

        Args:
            body: the page: a JSON array; empty where the records cannot be put together as one.
            records: its elements, as :func:`ingot.gate.split.split` finds them.
            faults: what is wrong with some of them whatever the contract says, by their place among them.
        """
        verdict = Verdict([], [])
        if not faults and self._is_clean(body, records):
            self._accept_all(records, body, self._seen, verdict)
        else:
            self._sort(body, records, faults or {}, verdict)
        self._seen += len(records)
        self.differences.note_accepted(verdict.accepted)
        if self._stale:
            self._compile()
        return verdict

    def _sort(self, body: bytes, records: list[bytes], faults: Mapping[int, Violation], verdict: Verdict) -> None:
        """Accept what is right by itself, and look closely at the others only."""
        doubtful = sorted({*self._doubtful(records), *faults})
        explained = self._explainer.explain(*(records[place] for place in doubtful))
        done = 0
        for place, explanation in zip(doubtful, explained, strict=True):
            self._accept_all(records[done:place], body, self._seen + done, verdict)
            done, record, position = place + 1, records[place], self._seen + place
            if violations := [faults[place]] if place in faults else explanation.violations:
                refusal = self._refuse(record, position, violations)
                verdict.refused.append(refusal)
                self.differences.note_refused(refusal.violations, refusal.record, position)
                if refusal.record is not None:  # what had to be withheld is not looked into
                    self._note(explanation.strangers, position)
            elif self._accept(record, position, verdict):
                self._note(explanation.strangers, position)
        self._accept_all(records[done:], body, self._seen + done, verdict)

    def _is_clean(self, body: bytes, records: list[bytes]) -> bool:
        if len(body) > MOST_BYTES and any(len(record) > MOST_BYTES for record in records):
            return False
        try:
            decoded = self._page.decode(body)
        except (ValueError, RecursionError):
            return False
        return len(decoded) == len(records) and self._fits(body, decoded)

    def _doubtful(self, records: list[bytes]) -> list[int]:
        """The places of the records that are not seen at once to be right."""
        decode = self._record.decode
        doubtful: list[int] = []
        decoded: list[Any] = []
        for place, record in enumerate(records):
            try:
                decoded.append(decode(record))
            except (ValueError, RecursionError):
                doubtful.append(place)
        bad = set(doubtful)
        places = [place for place in range(len(records)) if place not in bad]
        good = [records[place] for place in places]
        raw = b",".join(good)
        if (len(raw) > MOST_BYTES and max(map(len, good)) > MOST_BYTES) or not self._fits(raw, decoded):
            doubtful += (
                place
                for place, record, one in zip(places, good, decoded, strict=True)
                if len(record) > MOST_BYTES or not self._fits(record, [one])
            )
        return doubtful

    def _fits(self, raw: bytes, decoded: list[Any]) -> bool:
        """Whether records have nothing that msgspec lets pass and others do not; a false alarm costs only time.

        Args:
            raw: their bytes, and what stands between them.
        """
        # A search for one byte is many times as quick as one for two: most pages have no space at all.
        if any(space in raw for space in _SPACES) and any(sign in raw for sign in _SPACED):
            return False
        if b"\\" in raw and b"\\u00" in raw and any(sign in raw for sign in _ESCAPED):
            return False
        if any(_leave_calendar(values_at(decoded, place)) for place in self._moments):
            return False
        if any(pattern.misses(texts(decoded, place)) for place, pattern in self._patterns):
            return False
        # A key that stands twice in an object is there once when it is decoded. `":` cannot stand inside a JSON string
        # but behind a backslash: then it is in what is encoded again too.
        colons = raw.count(b'":')
        if self._count is not None and self._count(decoded) == colons:
            return True
        return msgspec.json.encode(decoded).count(b'":') == colons

    def _accept_all(self, records: list[bytes], body: bytes, first: int, verdict: Verdict) -> None:
        """Accept records of a page that are right."""
        # Records that no body holds may have line ends all the same.
        if self._redactor.active or not body or b"\n" in body or b"\r" in body:
            for position, record in enumerate(records, first):
                self._accept(record, position, verdict)
        else:
            verdict.accepted.extend(records)

    def _accept(self, record: bytes, position: int, verdict: Verdict) -> bool:
        try:
            line = self._redactor.cut(record)
        except ValueError:
            reason = "Holds a text that looks like broken JSON with a secret in it, which cannot be cut out"
            verdict.refused.append(self._refuse(record, position, [Violation("$", "secret", reason)]))
            return False
        # JSON allows raw line ends only between tokens: there they mean nothing, and a line is one record.
        if b"\n" in line or b"\r" in line:
            line = line.replace(b"\r", b" ").replace(b"\n", b" ")
        verdict.accepted.append(line)
        return True

    def _refuse(self, record: bytes, position: int, violations: list[Violation]) -> Refusal:
        kept: bytes | None
        try:
            kept = self._redactor.cut(record)
        except ValueError:
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
            value = self._redactor.cut_value(stranger.name, stranger.value)
            if value is None or not self.differences.note_new(replace(stranger, value=value), position):
                continue
            known = self._tolerated.get(stranger.holder, frozenset())
            if stranger.name in known:
                continue
            # A name that has to be escaped cannot be compiled: such pages go on being looked at one by one.
            if _escaped(stranger.name) == stranger.name:
                self._tolerated[stranger.holder] = known | {stranger.name}
                self._stale = True

    def _compile(self) -> None:
        record: Any = record_type(self.contract.properties, self._tolerated)
        self._page = msgspec.json.Decoder(list[record])
        self._record = msgspec.json.Decoder(record)
        # What is let through though no contract knows it may hold keys of its own.
        self._count = None if self._tolerated else key_counter(self.contract.properties)
        self._stale = False


def _leave_calendar(moments: list[datetime]) -> bool:
    """Whether one is none when it becomes UTC."""
    return bool(moments) and (min(moments) < EARLIEST or max(moments) > LATEST)


def _escaped(name: str) -> str:
    # A name may hold anything: line ends, and NUL, which no database takes.
    return json.dumps(name, ensure_ascii=False)[1:-1]
