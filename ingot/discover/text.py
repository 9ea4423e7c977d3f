"""YAML as a person would write it, with the evidence beside each rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from ingot.discover.fields import Said


def document(value: dict[str, Any]) -> str:
    """A mapping as YAML: :class:`~ingot.discover.fields.Said` values have their reason beside them."""
    return "".join(f"{line}\n" for line in _mapping(value, ""))


def _mapping(value: dict[str, Any], indent: str) -> Iterator[str]:
    for name, member in value.items():
        if name == "#":
            yield from (f"{indent}# {_one_line(line)}" for line in member)
            continue
        why = ""
        if isinstance(member, Said):
            member, why = member.value, f"  # {_one_line(member.why)}"
        key = _scalar(name)
        if isinstance(member, dict) and member:
            yield f"{indent}{key}:{why}"
            yield from _mapping(member, f"{indent}  ")
        elif isinstance(member, list) and member:
            yield f"{indent}{key}:{why}"
            yield from _sequence(member, f"{indent}  ")
        else:
            yield f"{indent}{key}: {_scalar(member)}{why}"


def _sequence(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if not isinstance(value, dict):
            yield f"{indent}- {_scalar(value)}"
            continue
        yield from (f"{indent}# {_one_line(line)}" for line in value.get("#", ()))
        first, *others = _mapping({name: member for name, member in value.items() if name != "#"}, f"{indent}  ")
        yield f"{indent}- {first.lstrip()}"
        yield from others


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def _is_plain(text: str) -> bool:
    # Read by YAML 1.1 and 1.2 alike: nothing that is a number, a date or a truth for one of them.
    if not text.isprintable() or any(
        sign in text for sign in ("#", ": ", "'", '"', "{", "}", "[", "]", "*", "&", "%", "`")
    ):
        return False
    try:
        return bool(yaml.safe_load(f"- {text}") == [text] and yaml.safe_load(f"{text}: 1") == {text: 1})
    except yaml.YAMLError:
        return False


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
