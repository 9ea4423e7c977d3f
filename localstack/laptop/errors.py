"""What can go wrong on a laptop; every message ends with what to do."""

from __future__ import annotations

__all__ = ["LaptopError"]


class LaptopError(Exception):
    """A step failed. ``str()`` is for the person at the terminal: what failed, then what to do.

    Args:
        what: What failed, in one sentence.
        hint: What to do next.
        detail: Lines that show why, such as a log's tail.
    """

    def __init__(self, what: str, *, hint: str, detail: str = "") -> None:
        self.what = what
        self.hint = hint
        self.detail = detail
        super().__init__("\n".join(part for part in (what, detail, hint) if part))
