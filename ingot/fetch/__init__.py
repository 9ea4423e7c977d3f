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
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import httpx

from ingot.batch import Batch
from ingot.errors import ConfigurationError, IngotError, SourceUnavailable
from ingot.fetch.auth import credentials
from ingot.fetch.background import drawn
from ingot.fetch.page import Page
from ingot.fetch.pull import Pull
from ingot.sources import CursorValue, Source, Stream

__all__ = ["Page", "base_url", "fetch"]

# They log addresses, and headers that may repeat one, with the key that stands in it. Ours are in the manifest, masked.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def fetch(
    source: Source,
    batch: Batch,
    query: Mapping[str, str],
    *,
    secret: str | None = None,
    since: CursorValue | None = None,
) -> Iterator[Page]:
    """The pages of one batch, in order; the last may be empty.

    A stream's fallback is asked in its place if the source is unavailable from its first page on: what a page brought
    is the batch's already, and two sources in one would be none.

    Args:
        query: the request's parameters, filled in (:meth:`ingot.sources.Stream.query`).
        secret: where the source's credentials are in Secrets Manager, if it asks for some.
        since: from where a batch in ``cursor`` mode reads, for the parameters of a fallback.

    Raises:
        SourceUnavailable: 5xx, 429, time-out, refused connection or the deadline, after all attempts; and then, if
            there is a fallback, no better luck with that.
        PayloadBroken: a body that is cut off or has no array of records, after all attempts; pages that go round in
            a circle or end before their total.
        SourceRefused: any other 4xx; a next page or a redirect at another place than the source.
        ConfigurationError: credentials are declared and missing; more pages than allowed.
    """
    stream = source.stream(batch.stream)
    with closing(_own(source, stream, query, secret)) as pages:
        try:
            first = next(pages)
        except SourceUnavailable as error:
            if stream.fallback is None:
                raise
            failure = error
        else:
            yield first
            yield from pages
            return
    other = stream.as_fallback()
    yield from _instead(source, other, other.query(batch.interval_start, batch.interval_end, since), failure)


def _own(source: Source, stream: Stream, query: Mapping[str, str], secret: str | None) -> Generator[Page]:
    """The pages that the source itself sends."""
    policy = source.request
    url = _address(source, base_url(source), stream.path, query)
    auth, mask = credentials(
        source.auth,
        secret,
        source=source.name,
        base=httpx.URL(base_url(source)),
        timeout=policy.timeout_seconds,
        recorded=_override(source) in os.environ,
    )
    yield from drawn(Pull(stream, policy, url, auth=auth, mask=mask).pages())


def _instead(source: Source, other: Stream, query: Mapping[str, str], failure: SourceUnavailable) -> Iterator[Page]:
    """The pages that a stream's fallback sends, each with the reason why it was asked."""
    fallback = source.stream(other.name).fallback
    assert fallback is not None
    # Where recordings answer in the source's place, they do in its fallback's too.
    base = os.environ.get(_override(source), fallback.base_url).rstrip("/")
    try:
        for page in drawn(Pull(other, source.request, _address(source, base, other.path, query)).pages()):
            yield replace(page, fallback=f"From the fallback: {failure.message}")
    except IngotError as error:
        raise SourceUnavailable(
            f"{failure.message} Nor did its fallback help: {error.message}", url=failure.url, hint=failure.hint
        ) from error


def base_url(source: Source) -> str:
    """Where the source is: its own address, or ``INGOT_SOURCE_URL_{NAME}`` where that is set (recordings)."""
    return os.environ.get(_override(source), source.base_url).rstrip("/")


def _override(source: Source) -> str:
    return f"INGOT_SOURCE_URL_{source.name.upper()}"


def _address(source: Source, base: str, path: str, query: Mapping[str, str]) -> httpx.URL:
    try:
        return httpx.URL(base + path, params=query or None)
    except httpx.InvalidURL as error:
        raise ConfigurationError(
            f"Source {source.name} has no usable address: {error}.", source=source.name, hint="correct base_url"
        ) from error
