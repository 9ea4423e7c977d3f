"""The list of decisions, from their titles."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = """\
# Decisions

<!-- Generated from the pages' titles by "make docs"; do not edit. -->

What was decided, why, and what follows from it: one page each, in the order in which they were taken. A decision that
is replaced stays, and says by which.

"""


def decisions_page(root: Path) -> str:
    """``docs/adr/README.md``.

    Raises:
        ValueError: a page does not begin with its number and a title.
    """
    lines = []
    for page in sorted((root / "docs/adr").glob("[0-9]*.md")):
        title, _, _ = page.read_text(encoding="utf-8").partition("\n")
        number = int(page.name[:4])
        found = re.fullmatch(rf"# {number}\. (.+)", title)
        if found is None:
            raise ValueError(
                f"{page.name} begins with {title!r}: a decision's page begins with '# {number}. ' and a title"
            )
        lines.append(f"{number}. [{found[1]}]({page.name})\n")
    return HEAD + "".join(lines)
