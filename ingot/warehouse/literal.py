"""Texts of people in SQL, where there are no parameters: Redshift's Data API is asked without."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text as SQL, whose type the warehouse reads as the column's; a NUL, which none stores, ends it.

    A backslash is one character to Postgres; to Redshift it begins an escape, and would let a quote out.
    """
    parts = text.partition("\x00")[0].replace("'", "''").split("\\")
    return " || chr(92) || ".join(f"'{part}'" for part in parts)
