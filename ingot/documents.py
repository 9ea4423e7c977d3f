"""YAML files that people write, read strictly: nothing is expanded, guessed or overwritten in silence.

PyYAML's safe loader builds no objects, but it expands aliases (a file of ten lines becomes a billion values), takes
the last of two equal keys, reads ``no`` as false, ``010`` as eight and ``1:30`` as ninety, and stops with whatever
error Python has for ``2024-02-30`` or a thousand brackets. Here each of these is an error with its line.
"""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ingot.errors import ConfigurationError

MOST_BYTES = 2**20
MOST_LEVELS = 64
MOST_VALUES = 100_000

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where PyYAML was built with it
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,37})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_TAG = "tag:yaml.org,2002:"
_QUOTE = "put it into quotes if it is text"


def read_document(content: bytes | str, *, origin: str) -> Any:
    """The value of a file with one YAML document; None if it is empty.

    Args:
        content: what is in the file, in UTF-8 if it is bytes.
        origin: where it came from, for messages.

    Raises:
        ConfigurationError: it is no YAML, has a part that can be read in two ways, or is larger or deeper than any
            file of ours; the message says where.
    """
    text = _decoded(content, origin)
    try:
        _hold_to_limits(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{origin}:{mark.line + 1}:{mark.column + 1}" if mark else origin
        raise _wrong(where, error.problem or error.context or "it is no YAML", error.note) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow; its message gives the place
        raise _wrong(origin, str(error).splitlines()[0]) from error


def read_bytes(path: Path) -> bytes:
    """What is in a file, as :func:`read_document` takes it.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)  # one byte too many is refused
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", hint="see that it is there") from error


def _decoded(content: bytes | str, origin: str) -> str:
    if len(content) > MOST_BYTES:
        raise _wrong(origin, f"it is larger than {MOST_BYTES // 2**20} MiB", "take what is data out of it")
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _wrong(f"{origin}:{line}", "it is not in UTF-8", "save it in UTF-8") from error


def _hold_to_limits(text: str) -> None:
    """Look at the parser's events, which take no stack, before anything is built from them."""
    depth = values = documents = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            raise _fault("there is an alias, which is not read here", event.start_mark, "write the value out")
        if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent):
            values += 1
            if event.tag is not None:
                raise _fault(f"there is a tag ({event.tag})", event.start_mark, "take it away")
            if values > MOST_VALUES:
                raise _fault(f"there are more than {MOST_VALUES} values", event.start_mark, "divide the file")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _fault("a second document begins", event.start_mark, "one file, one document")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_LEVELS:
                raise _fault(f"there are more than {MOST_LEVELS} levels", event.start_mark, "make it flatter")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader for which what can be read in two ways is an error."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == f"{_TAG}merge":
            raise _fault("there is a merge (<<), which is not read here", key_node.start_mark, "write the keys out")
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _fault(f"a key is no text but {_kind(key)}", key_node.start_mark, "put it into quotes")
        if key in found:
            raise _fault(f"the key {key[:64]!r} stands here for the second time", key_node.start_mark, "keep one")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _text(loader: Any, node: yaml.ScalarNode) -> str:
    value: str = loader.construct_scalar(node)
    if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise _fault("a text holds a NUL or half a character", node.start_mark, "take it away")
    return value


def _boolean(loader: Any, node: yaml.ScalarNode) -> bool:
    value: str = loader.construct_scalar(node)
    if value.lower() not in ("true", "false"):
        raise _fault(
            f"{value} means true or false to some readers of YAML", node.start_mark, f"write it so, or {_QUOTE}"
        )
    return value.lower() == "true"


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    value: str = loader.construct_scalar(node)
    if not _INTEGER.fullmatch(value):
        raise _fault(f"{value[:64]} is no plain number", node.start_mark, f"write its digits, or {_QUOTE}")
    return int(value)


def _float(loader: Any, node: yaml.ScalarNode) -> float:
    value: str = loader.construct_scalar(node)
    number = float(value) if _FLOAT.fullmatch(value) else math.nan
    if not math.isfinite(number):
        raise _fault(f"{value[:64]} is no plain number", node.start_mark, f"write its digits, or {_QUOTE}")
    return number


def _date(loader: Any, node: yaml.ScalarNode) -> date:
    try:
        found: date = loader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError) as error:
        raise _fault(f"it looks like a date, but {error}", node.start_mark, f"correct it, or {_QUOTE}") from error
    return found


for _name, _constructor in {
    "map": _mapping, "str": _text, "bool": _boolean, "int": _integer, "float": _float, "timestamp": _date
}.items():  # fmt: skip
    _Loader.add_constructor(_TAG + _name, _constructor)


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return "empty" if value is None else names.get(type(value), "a date")


def _fault(problem: str, mark: Any, hint: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark, note=hint)


def _wrong(where: str, problem: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"{where} cannot be read: {problem}.", hint=hint or "correct the file")
