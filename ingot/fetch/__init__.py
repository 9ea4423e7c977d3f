"""Pages from a REST API: httpx asks, stamina tries again what is worth it.

::

    fetch  →  Pull (pull.py)         the walk: pages in order, some ahead of the one in work, one deadline over all
                pagination.py        from one page to the next
                envelope.py          where records, cursors and totals sit in an answer
                auth.py              credentials onto requests, and out of everything that is written down
                limits.py            requests a second, Retry-After
                answers.py           statuses and broken connections as our errors
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping

import httpx

from ingot.batch import Batch
from ingot.errors import ConfigurationError
from ingot.fetch.auth import credentials
from ingot.fetch.background import drawn
from ingot.fetch.page import Page
from ingot.fetch.pull import Pull
from ingot.sources import Source

__all__ = ["Page", "base_url", "fetch"]

# They log addresses, and headers that may repeat one, with the key that stands in it. Ours are in the manifest, masked.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def fetch(source: Source, batch: Batch, query: Mapping[str, str], *, secret: str | None = None) -> Iterator[Page]:
    """The pages of one batch, in order; the last may be empty.

    Args:
        query: the request's parameters, filled in (:meth:`ingot.sources.Stream.query`).
        secret: where the source's credentials are in Secrets Manager, if it asks for some.

    Raises:
        SourceUnavailable: 5xx, 429, time-out, refused connection or the deadline, after all attempts.
        PayloadBroken: a body that is cut off or has no array of records, after all attempts; pages that go round in
            a circle or end before their total.
        SourceRefused: any other 4xx; a next page or a redirect at another place than the source.
        ConfigurationError: credentials are declared and missing; more pages than allowed.
    """
    stream, policy = source.stream(batch.stream), source.request
    url = _address(source, stream.path, query)
    auth, mask = credentials(
        source.auth,
        secret,
        source=source.name,
        base=httpx.URL(base_url(source)),
        timeout=policy.timeout_seconds,
        recorded=_override(source) in os.environ,
    )
    yield from drawn(Pull(stream, policy, url, auth=auth, mask=mask).pages())


def base_url(source: Source) -> str:
    """Where the source is: its own address, or ``INGOT_SOURCE_URL_{NAME}`` where that is set (recordings)."""
    return os.environ.get(_override(source), source.base_url).rstrip("/")


def _override(source: Source) -> str:
    return f"INGOT_SOURCE_URL_{source.name.upper()}"


def _address(source: Source, path: str, query: Mapping[str, str]) -> httpx.URL:
    try:
        return httpx.URL(base_url(source) + path, params=query or None)
    except httpx.InvalidURL as error:
        raise ConfigurationError(
            f"Source {source.name} has no usable address: {error}.", source=source.name, hint="correct base_url"
        ) from error
