"""What a struct of settings says of itself: its fields, with type, default and meaning."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from ingot.markdown import table

Struct = type[msgspec.Struct]
_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    date: "date",
    datetime: "time",
    Any: "anything",
}


class Undocumented(Exception):
    """A field of which nobody says what it means."""


@dataclass(frozen=True)
class Section:
    """One struct of a file, and where in the file it stands (``streams.{name}.cursor``)."""

    struct: Struct
    path: str

    @property
    def title(self) -> str:
        """The path, with the tag of one of several kinds: ``auth, type: bearer``."""
        config = self.struct.__struct_config__
        return f"{self.path}, {config.tag_field}: {config.tag}" if config.tag else self.path

    @property
    def anchor(self) -> str:
        """The title's anchor, as GitHub makes it."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


def sections(root: Struct, path: str) -> list[Section]:
    """A file's struct, and after it those that its fields are made of; each once."""
    found = [Section(root, path)]
    waiting = [Section(root, "")]
    while waiting:
        section = waiting.pop(0)
        inner = [
            Section(struct, f"{section.path}.{step}".removeprefix("."))
            for field, kind in _fields(section.struct)
            for struct, step in _structs(kind, field.encode_name)
        ]
        inner = [s for s in inner if s.struct not in {f.struct for f in found}]
        found += inner
        waiting = inner + waiting
    return found


def fields(section: Section, every: list[Section], said_by: Mapping[Struct, Struct]) -> str:
    """The table of a struct's fields.

    Args:
        section: which.
        every: all of the file, for links between them.
        said_by: structs whose docstrings speak of others' fields too.

    Raises:
        Undocumented: no docstring has a line for a field under ``Attributes:``.
    """
    struct = section.struct
    links = {s.struct: f"[{s.struct.__struct_config__.tag or s.path}](#{s.anchor})" for s in every}
    said = {name: text for s in (said_by.get(struct, struct), struct) for name, text in meanings(s).items()}
    config = struct.__struct_config__
    rows = [(f"`{config.tag_field}`", f"`{config.tag}`", "required", "Which kind it is.")] if config.tag else []
    for field, kind in _fields(struct):
        meaning = said.get(field.encode_name, said.get(field.name))  # by the name in a file, or by that in Python
        if meaning is None:
            raise Undocumented(f"{struct.__module__}.{struct.__qualname__}.{field.name}")
        rows.append((f"`{field.encode_name}`", type_name(kind, links), default(field), meaning))
    return table(("field", "type", "default", "meaning"), rows)


def meanings(struct: type) -> dict[str, str]:
    """Field → meaning, from the section ``Attributes:`` of a docstring and those of its bases, in one line each."""
    said: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        for entry in re.split(r"\n(?! )", inspect.cleandoc(section.split("\n\n")[0])):
            names, _, meaning = entry.partition(":")
            said |= {name.strip(): plain(meaning) for name in names.split(",") if meaning}
    return said


def summary(struct: type) -> str:
    """The first paragraph of a docstring, as Markdown; nothing for a struct without one."""
    own = struct.__dict__.get("__doc__") or ""
    return plain(inspect.cleandoc(own).split("\n\nAttributes:")[0].removeprefix("Attributes:"))


def plain(text: str) -> str:
    """The text of a docstring as Markdown, in one line."""
    return " ".join(re.sub(r":\w+:`([^`]*)`", r"`\1`", text.replace("``", "`")).split())


def type_name(kind: Any, links: Mapping[Struct, str]) -> str:
    """A type in words."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = "".join(_bounds(meta) for meta in inside[1:] if isinstance(meta, msgspec.Meta))
        return type_name(inside[0], links) + bounds
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(type_name(inner, links) for inner in inside if inner is not NoneType)
    if origin is dict:
        return f"map of {type_name(inside[0], links)} to {type_name(inside[1], links)}"
    if origin in (list, tuple):
        return f"list of {type_name(inside[0], links)}"
    return links[kind] if kind in links else _PLAIN[kind]


def default(field: Any) -> str:
    """A field's default, or that it has none."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ({}, (), [], ""):
        return ""
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _fields(struct: Struct) -> Iterator[tuple[Any, Any]]:
    """The fields of a struct as a file may set them, and their types."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        yield field, hints[field.name]


def _structs(kind: Any, step: str) -> Iterator[tuple[Struct, str]]:
    """The structs in a field's type, and the step that leads to them."""
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        yield kind, step
    origin, inside = get_origin(kind), get_args(kind)
    if origin is dict:
        yield from _structs(inside[1], f"{step}.{{name}}")
    elif origin in (list, tuple):
        yield from _structs(inside[0], f"{step}[]")
    elif origin is not Literal:
        for inner in inside:
            yield from _structs(inner, step)


def _bounds(meta: msgspec.Meta) -> str:
    signs = (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt))
    said = [f"{sign} {bound:g}" for sign, bound in signs if bound is not None]
    said += [f"`{meta.pattern}`"] if meta.pattern else []
    return f" ({', '.join(said)})" if said else ""
