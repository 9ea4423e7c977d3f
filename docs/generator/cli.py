"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from ingot.cli import app as application
from ingot.markdown import blocks, table

_VALUES = {"str": "TEXT", "int": "NUMBER", "int range": "NUMBER", "float range": "NUMBER", "choice": "NAME"}
_EXAMPLE = re.compile(r"^Examples?: *(.*)$")


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: with its group: ``contract show``.
        summary: the first paragraph of its help.
        details: the other paragraphs.
        examples: calls that it shows.
        arguments, options: click's parameters.
    """

    name: str
    summary: str
    details: tuple[str, ...]
    examples: tuple[str, ...]
    arguments: tuple[Any, ...]
    options: tuple[Any, ...]

    @property
    def usage(self) -> str:
        """As ``--help`` shows it."""
        values = [metavar(a) if a.required else f"[{metavar(a)}]" for a in self.arguments]
        return " ".join(["ingot", self.name, *(["[OPTIONS]"] if self.options else []), *values])


def commands() -> list[Command]:
    """Every command that is not hidden, groups after each other, in the order of ``--help``."""
    return list(_walk(get_command(application.app), ()))


def cli_page() -> str:
    """The page, in Markdown."""
    every = commands()
    codes = re.search(r"Exit codes.*?(?=\n\n|\Z)", inspect.getdoc(application) or "", re.DOTALL)
    if codes is None:
        raise ValueError("ingot.cli.app does not say what exit codes mean")
    parts = [
        "# Command line",
        '<!-- Generated from ingot/cli by "make docs"; do not edit. -->',
        "`ingot --help` lists the commands, `ingot COMMAND --help` says what is written here.",
        " ".join(codes[0].split()),
        table(("command", ""), ((f"[`{c.name}`](#ingot-{_anchor(c.name)})", c.summary) for c in every)),
    ]
    for command in every:
        parts += [f"## ingot {command.name}", command.summary, *command.details]
        parts.append("```console\n" + "\n".join(f"$ {line}" for line in (command.usage, *command.examples)) + "\n```")
        rows = [(f"`{metavar(a)}`", "required" if a.required else _default(a), _help(a)) for a in command.arguments]
        rows += [(_option(o), "required" if o.required else _default(o), _help(o)) for o in command.options]
        if rows:
            parts.append(table(("", "default", "meaning"), rows))
    return blocks(parts)


def metavar(param: Any) -> str:
    """How a value is called in usage: its own name, or its type."""
    if param.metavar:
        return str(param.metavar)
    if param.param_type_name == "argument":
        return str(param.name).upper()
    return _VALUES.get(param.type.name, str(param.type.name).upper())


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[Command]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield _command(" ".join(path), command)
        return
    for name, inner in subcommands.items():
        if not inner.hidden:
            yield from _walk(inner, (*path, name))


def _command(name: str, command: Any) -> Command:
    paragraphs, examples = _read(command.callback.__doc__ or "")
    params = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    return Command(
        name=name,
        summary=paragraphs[0] if paragraphs else "",
        details=tuple(paragraphs[1:]),
        examples=tuple(examples),
        arguments=tuple(p for p in params if p.param_type_name == "argument"),
        options=tuple(p for p in params if p.param_type_name == "option"),
    )


def _read(text: str) -> tuple[list[str], list[str]]:
    """The paragraphs of a command's help, and the examples in it."""
    paragraphs: list[str] = []
    examples: list[str] = []
    for block in inspect.cleandoc(text).split("\n\n"):
        lines = block.splitlines()
        match = _EXAMPLE.match(lines[0]) if lines else None
        if match is None:
            if block.strip():
                paragraphs.append(" ".join(block.split()))
            continue
        examples += [line.strip() for line in (match[1], *lines[1:]) if line.strip()]
    return paragraphs, examples


def _option(param: Any) -> str:
    names = [*param.opts, *param.secondary_opts]
    flag = "" if param.is_flag else f" {metavar(param)}"
    return ", ".join(f"`{name}{flag}`" for name in names)


def _default(param: Any) -> str:
    value = param.default
    if value is None or value is False or value == () or callable(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _help(param: Any) -> str:
    text = " ".join((param.help or "").split())
    choices = getattr(param.type, "choices", None)
    if choices:
        names = ", ".join(f"`{getattr(choice, 'value', choice)}`" for choice in choices)
        text = f"{text.removesuffix('.')}: {names}."
    return text


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
