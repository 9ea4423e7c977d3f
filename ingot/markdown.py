"""Tables and blocks of generated Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell stays a bar."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def blocks(parts: Iterable[str]) -> str:
    """A document: a blank line between its blocks, none between the items of a list."""
    text = before = ""
    for part in parts:
        together = part.startswith("- ") and before.startswith("- ")
        text += ("\n" if together else "\n\n" if text else "") + part
        before = part
    return text + "\n"
