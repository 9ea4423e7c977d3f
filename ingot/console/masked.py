"""A record for eyes that may not see everything: its bytes as they came, without what the contract does not let show.

What is shown is cut from the record's own text: numbers, escapes and doubled keys stay as the source wrote them, and
only the white space between them is ours. A value is shown where the contract classifies the field as public or
internal. A field that it does not know may be anything: it is shown only where the contract has no personal data at
all, and neither name nor value look like some (see :mod:`ingot.drift`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ingot.cli.output import printable
from ingot.contract.model import Contract, Property, walk
from ingot.contract.paths import Steps, path_text
from ingot.drift import OPEN, classification, is_telling
from ingot.gate.limits import MOST_LEVELS

MASKED = "•••"
_LONGEST_TEXT = 400  # characters of one value
_LONGEST_WHOLE = 4_000  # characters of what cannot be taken apart
_MOST_BYTES = 2 * 2**20  # that are taken apart for a page
_MOST_MEMBERS = 50  # of one object or list, besides those that break a rule
_MOST_MARKS = 4_000
_ADDRESS = re.compile(r"[^\s,;\"'<>]+@[^\s,;\"'<>]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
_JSON_TYPES = {"t": "boolean", "f": "boolean", "n": "null", '"': "string", "{": "object", "[": "array"}
_FITS = {
    "string": {"string", "date", "timestamp"},
    "number": {"integer", "number"},
    "boolean": {"boolean"},
    "object": {"object"},
    "array": {"array"},
    "null": {"string", "date", "timestamp", "integer", "number", "boolean", "object", "array"},
}

Kind = Literal["plain", "name", "value", "masked", "cut", "missing"]


@dataclass(frozen=True)
class Mark:
    """A piece of the text.

    Attributes:
        broken: it is what breaks a rule.
    """

    text: str
    kind: Kind
    broken: bool = False


@dataclass(frozen=True)
class Shown:
    """A record as it may be shown.

    Attributes:
        marks: its text, in pieces.
        bytes: how large all of it is.
        masked: how many values are not shown.
        cut: whether there is more than is shown.
        whole: why nothing of it is shown, if so.
    """

    marks: Sequence[Mark]
    bytes: int
    masked: int
    cut: bool
    whole: str = ""


def show(record: str | None, contract: Contract, broken: Sequence[str], *, bytes_: int = 0) -> Shown:
    """What may be seen of a refused record.

    Args:
        record: its text; None if it is withheld.
        broken: the paths that break a rule.
        bytes_: its size, where that is not the text's in UTF-8.
    """
    if record is None:
        return Shown(
            [], 0, 0, cut=False, whole="its bytes were never kept: nobody could say where a secret ends in them"
        )
    size = bytes_ or len(record.encode(errors="surrogatepass"))
    if size <= _MOST_BYTES:
        try:
            tree = _Reader(record).read()
        except _NotTakenApart:
            pass
        else:
            painter = _Painter(record, contract, frozenset(broken))
            return painter.paint(tree, size)
    return _whole(record, contract, size)


def shown_key(key: str | None, contract: Contract | None) -> str | None:
    """The values of a record's primary key, or what stands for them; None if there is none."""
    if key is None:
        return None
    if contract is None:
        return MASKED
    try:
        found = msgspec.json.decode(key)
    except ValueError:
        return MASKED
    values = found if isinstance(found, list) else [found]
    properties = contract.key_properties
    if len(values) != len(properties):
        return MASKED
    fits = all(
        prop.classification in OPEN and (prop.logical_type in _FITS[_type_of(value)] or not is_telling(str(value)))
        for prop, value in zip(properties, values, strict=True)
    )
    return printable(", ".join(map(str, values)))[:_LONGEST_TEXT] if fits else MASKED


def is_discreet(contract: Contract) -> bool:
    """Whether a contract knows of anything that is not for everyone's eyes."""
    return any(prop.classification not in OPEN for prop in walk(contract.properties))


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None:
            return "null"
        case list():
            return "array"
    return "object"


def _whole(record: str, contract: Contract, size: int) -> Shown:
    if is_discreet(contract):
        why = "it is no JSON that could be taken apart, and the contract has fields that are not to be shown"
        return Shown([], size, 1, cut=False, whole=why)
    text, masked = _ADDRESS.subn(MASKED, record[:_LONGEST_WHOLE])
    lines = "\n".join(printable(line) for line in text.splitlines())
    cut = len(record) > _LONGEST_WHOLE
    marks = [Mark(lines, "value", broken=True)]
    if cut:
        marks.append(Mark(f"… cut here; it has {size:,} bytes", "cut"))
    return Shown(marks, size, masked, cut=cut)


class _NotTakenApart(ValueError):
    """The text is no JSON object, or deeper than the gate takes."""


@dataclass(frozen=True)
class _Node:
    start: int
    end: int
    type: str
    members: list[tuple[str, str, _Node]] = field(default_factory=list)  # the key as written and as meant
    items: list[_Node] = field(default_factory=list)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> _Node:
        start = self._skip(0)
        if self._text[start : start + 1] != "{":
            raise _NotTakenApart
        node = self._value(start, 1)
        if self._skip(node.end) != len(self._text):
            raise _NotTakenApart
        return node

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def _value(self, at: int, level: int) -> _Node:
        match self._text[at : at + 1]:
            case "{":
                return self._object(at, level)
            case "[":
                return self._array(at, level)
            case '"':
                return _Node(at, self._end_of(_TEXT, at), "string")
            case first:
                return _Node(at, self._end_of(_PLAIN, at), _JSON_TYPES.get(first, "number"))

    def _end_of(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self._text, at)
        if found is None:
            raise _NotTakenApart
        return found.end()

    def _object(self, start: int, level: int) -> _Node:
        node_members: list[tuple[str, str, _Node]] = []
        for at in self._between(start, "}", level):
            end = self._end_of(_TEXT, at)
            written = self._text[at:end]
            try:
                meant = msgspec.json.decode(written.encode(), type=str)
            except ValueError:
                raise _NotTakenApart from None
            colon = self._skip(end)
            if self._text[colon : colon + 1] != ":":
                raise _NotTakenApart
            value = self._value(self._skip(colon + 1), level + 1)
            node_members.append((written, meant, value))
            self._at = value.end
        return _Node(start, self._at, "object", members=node_members)

    def _array(self, start: int, level: int) -> _Node:
        items: list[_Node] = []
        for at in self._between(start, "]", level):
            items.append(self._value(at, level + 1))
            self._at = items[-1].end
        return _Node(start, self._at, "array", items=items)

    def _between(self, start: int, closing: str, level: int) -> Iterator[int]:
        """Where each member begins; who asks says in ``_at`` where it ended. Afterwards ``_at`` is behind it all."""
        if level > MOST_LEVELS:
            raise _NotTakenApart
        at = self._skip(start + 1)
        if self._text[at : at + 1] == closing:
            self._at = at + 1
            return
        while True:
            yield at
            at = self._skip(self._at)
            match self._text[at : at + 1]:
                case ",":
                    at = self._skip(at + 1)
                case end if end == closing:
                    self._at = at + 1
                    return
                case _:
                    raise _NotTakenApart


class _Painter:
    def __init__(self, text: str, contract: Contract, broken: frozenset[str]) -> None:
        self._text = text
        self._contract = contract
        self._broken = broken
        self._discreet = is_discreet(contract)
        self._marks: list[Mark] = []
        self._masked = 0
        self._cut = False

    def paint(self, tree: _Node, size: int) -> Shown:
        root = Property(name="", logical_type="object", properties=self._contract.properties)
        self._value(tree, root, (), 0, known=True)
        return Shown(self._marks, size, self._masked, cut=self._cut)

    def _put(self, text: str, kind: Kind = "plain", *, broken: bool = False) -> None:
        self._marks.append(Mark(text, kind, broken))

    def _value(self, node: _Node, prop: Property | None, steps: Steps, depth: int, *, known: bool) -> None:
        """Paint a value.

        Args:
            prop: what the contract says of it, if anything.
            known: whether all around it may be shown.
        """
        broken = path_text(steps) in self._broken
        open_ = known and (prop.classification in OPEN if prop is not None else self._looks_plain(steps))
        match node.type:
            case "object":
                properties = {p.name: p for p in prop.properties} if prop is not None else {}
                members = [(w, m, child, properties.get(m)) for w, m, child in node.members]
                self._inside(
                    node,
                    "{}",
                    [(self._name(w, m, p, open_), child, p, (*steps, m)) for w, m, child, p in members],
                    depth,
                    broken,
                    open_,
                    self._missing(steps, {m for _, m, _, _ in members}),
                )
            case "array":
                items = prop.items if prop is not None else None
                rows = [("", child, items, (*steps, index)) for index, child in enumerate(node.items)]
                self._inside(node, "[]", rows, depth, broken, open_, [])
            case _:
                self._leaf(node, prop, open_, broken)

    def _inside(
        self,
        node: _Node,
        brackets: str,
        rows: list[tuple[str, _Node, Property | None, Steps]],
        depth: int,
        broken: bool,
        open_: bool,
        missing: list[str],
    ) -> None:
        self._put(brackets[0], broken=broken)
        left_out = 0
        for number, (name, child, prop, steps) in enumerate(rows):
            if len(self._marks) > _MOST_MARKS or (number >= _MOST_MEMBERS and not self._leads_to_broken(steps)):
                left_out += 1
                continue
            self._put("\n" + "  " * (depth + 1))
            if name:
                self._put(name, "name", broken=path_text(steps) in self._broken)
                self._put(": ")
            self._value(child, prop, steps, depth + 1, known=open_)
            if number < len(rows) - 1:
                self._put(",")
        for name in missing:
            self._put("\n" + "  " * (depth + 1))
            self._put(f"{name}: missing", "missing", broken=True)
        if left_out:
            self._cut = True
            self._put("\n" + "  " * (depth + 1))
            self._put(f"… {left_out:,} more", "cut")
        if rows or missing:
            self._put("\n" + "  " * depth)
        self._put(brackets[1], broken=broken)

    def _leaf(self, node: _Node, prop: Property | None, open_: bool, broken: bool) -> None:
        length = node.end - node.start
        # The contract's word on a field holds for values of its type only: another may be something else's.
        strange = prop is None or prop.logical_type not in _FITS[node.type]
        text = self._text[node.start : min(node.end, node.start + _LONGEST_TEXT)]
        whole = self._text[node.start : node.end]
        suspect = strange and (is_telling(whole) or (self._discreet and node.type == "string"))
        if node.type != "null" and (not open_ or suspect):
            self._masked += 1
            self._put(f"{MASKED} {node.type}", "masked", broken=broken)
            return
        self._put(printable(text), "value", broken=broken)
        if length > _LONGEST_TEXT:
            self._cut = True
            self._put(f"… {length:,} characters", "cut")

    def _name(self, written: str, meant: str, prop: Property | None, open_: bool) -> str:
        # Some records are keyed by people.
        plain = open_ and not self._discreet and not is_telling(meant)
        if prop is None and not plain:
            return f'"{MASKED}"'
        return printable(written)[:_LONGEST_TEXT]

    def _looks_plain(self, steps: Steps) -> bool:
        """Whether a field that the contract does not know may be shown."""
        names = [step for step in steps if isinstance(step, str)]
        return not self._discreet and all(classification(name) == "internal" for name in names)

    def _missing(self, steps: Steps, there: set[str]) -> list[str]:
        here = f"{path_text(steps)}."
        names = (path.removeprefix(here) for path in sorted(self._broken) if path.startswith(here))
        return [name for name in names if name not in there and "." not in name and "[" not in name]

    def _leads_to_broken(self, steps: Steps) -> bool:
        here = path_text(steps)
        return any(path == here or path.startswith((f"{here}.", f"{here}[")) for path in self._broken)
