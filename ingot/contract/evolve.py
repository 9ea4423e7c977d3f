"""From drift to a patch of the contract: the least change of its YAML file that takes what the source sends now.

The file is edited as a document, so that its comments, order and spelling stay. A change that would make a contract
that cannot be enforced is not proposed, but explained.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from ingot.contract.compatibility import Change, bumped, compare, required_bump
from ingot.contract.model import Contract, Property, load_contract, max_length
from ingot.contract.paths import Steps, locate
from ingot.contract.shape import MOST_DIGITS, NotEnforceable, Shape
from ingot.drift import WITHHELD, classification
from ingot.errors import ConfigurationError
from ingot.manifest import Drift

_OPTIONS = {  # which of a field's options still mean something when its type changes
    ("integer", "number"): ("minimum", "maximum"),
    ("number", "integer"): ("minimum", "maximum"),
    ("string", "string"): ("minLength", "pattern"),
}
_INDENTS = ({"mapping": 2, "sequence": 2, "offset": 0}, {"mapping": 2, "sequence": 4, "offset": 2})


@dataclass(frozen=True)
class Patch:
    """A proposed change of one contract file.

    Attributes:
        before, after: the file's text; the same if nothing is proposed.
        version: what the contract's version becomes.
        accepted: the drift's path, and what was changed.
        changes: what that means to readers and to the source.
        unchanged: the drift's path, and why nothing is proposed.
    """

    before: str
    after: str
    version: str
    accepted: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    unchanged: tuple[tuple[str, str], ...]

    def diff(self, file: str) -> str:
        """It as a unified diff."""
        lines = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(*lines, f"a/{file}", f"b/{file}"))


def propose(
    text: str,
    *,
    origin: str,
    drift: tuple[Drift, ...],
    shapes: Mapping[str, Shape],
    batch_id: str,
    fixed: frozenset[str] = frozenset(),
) -> Patch:
    """The patch with which a contract takes what a batch brought.

    Args:
        text: the contract's YAML.
        origin: where that is from, for messages.
        shapes: what the batch holds at the drift's paths.
        batch_id: where it was seen.
        fixed: top-level fields, besides the primary key, that must stay as they are: the stream's cursor.

    Raises:
        ConfigurationError: the text is no contract.
    """
    contract = load_contract(text, origin=origin)
    after = text
    accepted: list[tuple[str, str]] = []
    unchanged: list[tuple[str, str]] = []
    editor = _Editor(text)
    for one in drift:
        try:
            _hold_fast(contract, one, fixed)
            done = _apply(editor, contract, one, shapes[one.path], batch_id)
            edited = editor.text()
            load_contract(edited, origin=origin)
        except NotEnforceable as error:
            unchanged.append((one.path, str(error)))
        except ConfigurationError as error:
            reason = error.message.partition("enforced: ")[2].rstrip(".") or error.message
            unchanged.append((one.path, reason))
        else:
            after = edited
            accepted.append((one.path, done))
        editor = editor.reopened(after)
    changes = tuple(compare(contract, load_contract(after, origin=origin)))
    version = bumped(contract.version, required_bump(changes))
    if accepted:
        after = editor.with_version(version)
    return Patch(text, after, version, tuple(accepted), changes, tuple(unchanged))


def _hold_fast(contract: Contract, drift: Drift, fixed: frozenset[str]) -> None:
    steps, _ = locate(contract, drift.path)
    if WITHHELD in drift.path:
        raise NotEnforceable("its name is data itself, and no field's")
    if drift.kind != "new" and steps[0] in contract.primary_key:
        raise NotEnforceable("it is the primary key: another key makes another stream")
    if drift.kind != "new" and steps[0] in fixed:
        raise NotEnforceable("it is the cursor, which every record needs; change source.yaml first")


def _apply(editor: _Editor, contract: Contract, drift: Drift, shape: Shape, batch_id: str) -> str:
    steps, prop = locate(contract, drift.path)
    if drift.kind == "new":
        definition = shape.definition()
        name, kept = str(steps[-1]), classification(str(steps[-1]))
        editor.add(steps, {"name": name, **_described(definition, f"To be written; new in {batch_id}.", kept)})
        return f"added as {_summary(definition)}, classification {kept}"
    if prop is None:
        raise NotEnforceable("the contract no longer knows it")
    if drift.kind == "missing":
        return _let_go(editor, steps, prop, shape)
    definition = _widened(prop, shape)
    editor.retype(steps, definition, prop)
    if "null" in shape.kinds and prop.required:
        editor.set(steps, {"required": False})
    return f"{drift.old} → {_summary(definition)}"


def _let_go(editor: _Editor, steps: Steps, prop: Property, shape: Shape) -> str:
    """A field that may be missing, and may be so from whole batches if this one has it nowhere."""
    sparse = not shape.kinds - {"null"}
    if prop.required:
        editor.set(steps, {"required": False})
    if sparse:
        editor.append(steps, "customProperties", {"property": "sparse", "value": True})
    told = "required → optional" if prop.required else "optional"
    return f"{told}, and whole batches may lack it" if sparse else told


def _widened(prop: Property, shape: Shape) -> dict[str, Any]:
    """The type that takes what the batch holds and, as far as there is one, what the field held before."""
    if prop.source_form:
        raise NotEnforceable(f"its sourceForm {prop.source_form} was declared by hand; change it by hand")
    if prop.logical_type in shape.kinds and prop.logical_type in ("date", "timestamp"):
        raise NotEnforceable(f"some values are {prop.logical_type}s as before: those that are not are refused")
    definition = shape.definition()
    decimal = re.fullmatch(r"decimal\(\d+,(\d+)\)", definition["physicalType"])
    if prop.logical_type == "integer" and decimal:
        definition["physicalType"] = f"decimal({MOST_DIGITS},{decimal[1]})"
    if definition["logicalType"] == "string" and (size := max_length(prop)):
        size = max(size, definition["logicalTypeOptions"]["maxLength"])
        definition |= {"physicalType": f"varchar({size})", "logicalTypeOptions": {"maxLength": size}}
    if (definition["logicalType"], definition["physicalType"]) == (prop.logical_type, prop.physical_type):
        raise NotEnforceable("its values have the contract's type in another spelling")
    return definition


def _described(definition: dict[str, Any], description: str, kept: str) -> dict[str, Any]:
    """A definition with what every property of ours says, in our order."""
    described: dict[str, Any] = {k: definition[k] for k in ("name", "logicalType", "physicalType") if k in definition}
    described |= {"description": description, "classification": kept}
    if "logicalTypeOptions" in definition:
        described["logicalTypeOptions"] = definition["logicalTypeOptions"]
    if "items" in definition:
        described["items"] = _described(definition["items"], "To be written.", kept)
    if "properties" in definition:
        described["properties"] = [
            _described(member, "To be written.", _closer(kept, classification(member["name"])))
            for member in definition["properties"]
        ]
    return described


def _closer(one: str, other: str) -> str:
    return max(one, other, key=("internal", "personal", "secret").index)


def _summary(definition: Mapping[str, Any]) -> str:
    physical = definition["physicalType"]
    return " ".join(dict.fromkeys((definition["logicalType"], physical))).strip()


class _Editor:
    """A contract's YAML as a document that keeps its comments.

    A comment belongs, for the library, to the value before it: it moves on when that value goes.
    """

    def __init__(self, text: str, indent: dict[str, int] | None = None) -> None:
        self._before = text
        # The library writes in one hand: in the one that is nearest to the file's.
        self._indent = indent or max(_INDENTS, key=lambda hand: _likeness(text, hand))
        self._yaml, self._document = _read(text, self._indent)

    def reopened(self, text: str) -> _Editor:
        """The same file anew, with the changes that worked out: written twice, a document may lose comments."""
        return _Editor(text, self._indent)

    def text(self) -> str:
        """The document as it is now.

        Raises:
            NotEnforceable: a comment of the file got lost.
        """
        text = _written(self._yaml, self._document)
        if lost := _comments(self._before) - _comments(text):
            raise NotEnforceable(f"the comment {min(lost)!r} would get lost; change the file by hand")
        return text

    def with_version(self, version: str) -> str:
        """The text with another version of the contract."""
        self._document["version"] = version
        return self.text()

    def add(self, steps: Steps, definition: dict[str, Any]) -> None:
        """Append a property to the object that it stands in."""
        self.append(steps[:-1], "properties", definition)

    def append(self, steps: Steps, name: str, value: dict[str, Any]) -> None:
        """Append to a list of a property."""
        node = self._node(steps)
        comment = _take_comment(node)
        node.setdefault(name, CommentedSeq()).append(_yaml_value(value))
        _put_comment(node, comment)

    def set(self, steps: Steps, values: dict[str, Any]) -> None:
        """Give keys of a property other values."""
        self._node(steps).update(values)

    def retype(self, steps: Steps, definition: dict[str, Any], prop: Property) -> None:
        """Give a property another type; what no longer means anything goes."""
        node = self._node(steps)
        comment = _take_comment(node)
        keep = _OPTIONS.get((prop.logical_type, definition["logicalType"]), ())
        options = {name: value for name, value in node.pop("logicalTypeOptions", {}).items() if name in keep}
        options |= definition.get("logicalTypeOptions", {})
        for name in ("properties", "items"):
            node.pop(name, None)
        new = _described(definition, "", prop.classification) | {"logicalTypeOptions": options}
        for name in ("description", "classification", *([] if options else ["logicalTypeOptions"])):
            del new[name]
        node.update(_yaml_value(new))
        _put_comment(node, comment)

    def _node(self, steps: Steps) -> Any:
        node = self._document["schema"][0]
        for step in steps:
            if step == "[]":
                node = node["items"]
            else:
                (node,) = (p for p in node["properties"] if p["name"] == step)
        return node


def _yaml_value(value: Any) -> Any:
    match value:
        case dict():
            return CommentedMap({name: _yaml_value(inner) for name, inner in value.items()})
        case list():
            return CommentedSeq([_yaml_value(inner) for inner in value])
        case str() if _reads_differently(value):
            return DoubleQuotedScalarString(value)
    return value


def _reads_differently(text: str) -> bool:
    # The contract is read as YAML 1.1, in which a plain `no` is false and 12:30 a number.
    try:
        return bool(yaml.safe_load(text) != text)
    except yaml.YAMLError:
        return True


def _read(text: str, indent: dict[str, int]) -> tuple[YAML, Any]:
    reader = YAML()
    reader.preserve_quotes = True
    reader.width = 4096
    reader.explicit_start = text.startswith("---")
    reader.indent(**indent)
    return reader, reader.load(text)


def _written(writer: YAML, document: Any) -> str:
    stream = io.StringIO()
    writer.dump(document, stream)
    return stream.getvalue()


def _likeness(text: str, indent: dict[str, int]) -> int:
    return len({*_written(*_read(text, indent)).splitlines()} & {*text.splitlines()})


def _comments(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.lstrip().startswith("#")}


def _last(node: Any) -> tuple[Any, Any]:
    """The innermost container at the end of a node, and its last key."""
    while True:
        key = len(node) - 1 if isinstance(node, CommentedSeq) else next(reversed(node))
        if not isinstance(node[key], CommentedMap | CommentedSeq) or not node[key]:
            return node, key
        node = node[key]


def _take_comment(node: Any) -> str:
    """What stands in the lines below a node: what comes next has it above. A comment beside a value stays there."""
    holder, key = _last(node)
    slots, place = holder.ca.items.get(key), 0 if isinstance(holder, CommentedSeq) else 2
    if slots is None or slots[place] is None:
        return ""
    beside, _, below = slots[place].value.partition("\n")
    if beside:
        slots[place].value = f"{beside}\n"
    else:
        slots[place] = None
    return str(below)


def _put_comment(node: Any, below: str) -> None:
    if not below:
        return
    holder, key = _last(node)
    slots = holder.ca.items.setdefault(key, [None, None, None, None])
    place = 0 if isinstance(holder, CommentedSeq) else 2
    beside = slots[place].value if slots[place] is not None else "\n"
    slots[place] = CommentToken(beside + below, CommentMark(0), None)
