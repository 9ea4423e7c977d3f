"""How large and how deep a record may be: the same for every contract, and on every machine.

Without limits of our own those of the libraries would decide: how much stack is left, how long DuckDB lets a line be.
"""

from __future__ import annotations

from typing import Any

MOST_BYTES = 16 * 2**20
"""Of one record. Refine reads lines of up to 128 MiB, a SUPER of Redshift takes 16 MB, MongoDB's documents end here."""

MOST_LEVELS = 64
"""Objects and arrays inside each other, the record being the first."""


def is_deeper(value: Any, levels: int) -> bool:
    """Whether a decoded value has more than so many objects and arrays inside each other; takes no stack."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [container for container in layer if isinstance(container, dict | list)]
        if not layer:
            return False
        layer = [
            inner for container in layer for inner in (container.values() if isinstance(container, dict) else container)
        ]
    return True


def may_be_deeper(raw: bytes, levels: int) -> bool:
    """Whether there are brackets enough for it: nearly no record has them, and counting costs nothing."""
    return raw.count(b"[") + raw.count(b"{") > levels
