"""The fast pass, and what becomes of a page's records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ingot.contract.model import Contract
from ingot.contract.pattern import Pattern
from ingot.gate.differences import Differences
from ingot.gate.explain import Explainer, Stranger, Violation
from ingot.gate.limits import MOST_BYTES
from ingot.gate.redact import Redactor
from ingot.gate.types import Path, pattern_places, record_type, texts

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SUSPICIOUS = (
    *(b" :", b"\t:", b"\n:", b"\r:"),  # keys that are not followed by their colon, and so miscounted
    *(b'"0001-', b'"9999-'),  # times that may leave the calendar when they become UTC
)
_ESCAPED = (  # the same, and what no warehouse stores, in letters that nobody needs to escape
    *(b"\\u0022", b"\\u003a", b"\\u003A"),  # a quote, a colon: written in full when they are encoded again
    b"\\u0000",
    *(b"\\u0030", b"\\u0031", b"\\u0039", b"\\u002d", b"\\u002D"),
)


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
    """

    position: int
    key: str | None
    violations: list[Violation]
    record: bytes | None
    sha256: str | None
    line: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one page: the lines that go to Bronze, and the refused."""

    accepted: list[bytes]
    refused: list[Refusal]


@dataclass
class Gate:
    """Checks a batch's pages, one after the other, against one contract.

    A page that is wholly right costs one compiled decode. Only a page in which anything is wrong or new is
    looked at record by record. An unknown field is let through and reported; the validator is compiled again
    with it, so that drift does not make the rest of the batch slow.

    Attributes:
        differences: in what the records differ from the contract, so far.
    """

    contract: Contract
    _seen: int = 0

    def __post_init__(self) -> None:
        self.differences = Differences(self.contract)
        self._explainer = Explainer(self.contract)
        self._redactor = Redactor(self.contract.secrets)
        self._patterns = [(place, Pattern(text)) for place, text in pattern_places(self.contract.properties)]
        self._tolerated: dict[Path, frozenset[str]] = {}
        self._compile()

    def check(self, body: bytes, records: list[bytes]) -> Verdict:
        """Accept or refuse every record of one page.

        Args:
            body: the page: a JSON array.
            records: its elements, as :func:`ingot.gate.split.split` finds them.
        """
        verdict = Verdict([], [])
        if self._is_clean(body, records):
            for position, record in enumerate(records, self._seen):
                self._accept(record, position, verdict)
        else:
            for position, (record, explanation) in enumerate(
                zip(records, self._explainer.explain(*records), strict=True), self._seen
            ):
                if explanation.violations:
                    refusal = self._refuse(record, position, explanation.violations)
                    verdict.refused.append(refusal)
                    self.differences.note_refused(refusal.violations, refusal.record, position)
                    if refusal.record is not None:  # what had to be withheld is not looked into
                        self._note(explanation.strangers, position)
                elif self._accept(record, position, verdict):
                    self._note(explanation.strangers, position)
        self._seen += len(records)
        self.differences.note_accepted(verdict.accepted)
        if self._stale:
            self._compile()
        return verdict

    def _is_clean(self, body: bytes, records: list[bytes]) -> bool:
        # What msgspec lets pass and others do not is looked for in the bytes; a false alarm costs only time.
        if any(sign in body for sign in _SUSPICIOUS):
            return False
        if b"\\u00" in body and any(sign in body for sign in _ESCAPED):
            return False
        if len(body) > MOST_BYTES and any(len(record) > MOST_BYTES for record in records):
            return False
        try:
            decoded = self._page.decode(body)
        except (ValueError, RecursionError):
            return False
        if any(pattern.misses(texts(decoded, place)) for place, pattern in self._patterns):
            return False
        # A key that stands twice in an object is there once when the page is encoded again. `":` cannot stand
        # inside a JSON string but behind a backslash, and is then in both.
        return len(decoded) == len(records) and msgspec.json.encode(decoded).count(b'":') == body.count(b'":')

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
        self._stale = False


def _escaped(name: str) -> str:
    # A name may hold anything: line ends, and NUL, which no database takes.
    return json.dumps(name, ensure_ascii=False)[1:-1]
