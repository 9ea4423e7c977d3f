"""A contract's patterns, held by RE2: the time of a match grows with the text, whatever the pattern.

Python's ``re`` (which msgspec uses) goes back and tries again: ``^(a+)+$`` against thirty letters and a full stop
takes minutes, and nothing can stop it. RE2 cannot do that. It is also closer to ECMA-262, which ODCS names: ``$`` is
the end of the text and not a line end before it, and ``\\d`` is 0 to 9. It comes with Arrow and takes a whole column.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any


class Pattern:
    """A regular expression that a text must hold somewhere (``^`` and ``$`` tie it to the ends).

    Raises:
        ValueError: RE2 does not know it (lookaround, backreferences and possessive quantifiers it never does).
    """

    def __init__(self, text: str) -> None:
        import pyarrow.compute as pc  # a tenth of a second or more: only contracts with patterns pay for it

        self._match = pc.get_function("match_substring_regex")
        self._options = pc.MatchSubstringOptions(text)
        self.misses([""])

    def misses(self, texts: Sequence[str]) -> list[int]:
        """The places of those texts that do not match."""
        import pyarrow.compute as pc

        matches = self._match.call([_column(texts)], self._options)
        if pc.all(matches, min_count=0).as_py():
            return []
        return [place for place, match in enumerate(matches.to_pylist()) if not match]


def _column(texts: Sequence[str]) -> Any:
    """Texts as Arrow has them; of buffers, as `pyarrow.array` imports pandas at its first list: 60 MB of memory."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    offsets = array("q", accumulate(map(len, encoded), initial=0))
    return pa.LargeStringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
