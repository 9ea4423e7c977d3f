"""What one request brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One answer: its records as the source sent them, and what it took to get it.

    Attributes:
        url: what was asked, without any credential.
        status: of the answer that held the records.
        seconds: from sending the last attempt to its last byte.
        tries: how often the page was asked for.
        body: the JSON array of records, byte by byte, cut out of the answer where it is wrapped.
        records: its elements.
        fallback: why the stream's fallback was asked for it, if it was.
    """

    url: str
    status: int
    seconds: float
    tries: int
    body: bytes
    records: list[bytes]
    fallback: str | None = None


@dataclass(frozen=True)
class Answer:
    """A page, and what the way to the next one is read from.

    Attributes:
        page: the page.
        envelope: the answer as JSON; it may lack the records.
        links: the header ``Link``, by relation.
        headers: all of them; their names in any case.
    """

    page: Page
    envelope: bytes
    links: Mapping[str | None, Mapping[str, str]]
    headers: Mapping[str, str]
