"""Pages from a REST API: httpx asks, stamina tries again what is worth it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import stamina

from ingot import __version__
from ingot.batch import Batch
from ingot.errors import PayloadBroken, SourceRefused, SourceUnavailable, TransientError
from ingot.gate.split import split
from ingot.sources import RequestPolicy, Source

_TRY_AGAIN = {408, 425, 429}
_NEXT = "nothing was published; the next run asks again"


@dataclass(frozen=True)
class Page:
    """One answer: its records as the source sent them, and what it took to get it."""

    url: str
    status: int
    seconds: float
    tries: int
    body: bytes
    records: list[bytes]


def fetch(source: Source, batch: Batch, query: Mapping[str, str], *, secret: str | None = None) -> Iterator[Page]:
    """The pages of one batch.

    Args:
        query: the request's parameters.
        secret: where the source's credentials are in Secrets Manager.

    Raises:
        SourceUnavailable: 5xx, 429, time-out, refused connection or the deadline, after all attempts.
        PayloadBroken: a body that is cut off or no array of records, after all attempts.
        SourceRefused: any other 4xx.
    """
    stream = source.stream(batch.stream)
    policy = source.request
    url = httpx.URL(base_url(source) + stream.path, params=dict(query) or None)
    deadline = time.monotonic() + policy.deadline_seconds
    headers = {"User-Agent": f"ingot/{__version__}", "Accept": "application/json"}
    with httpx.Client(timeout=policy.timeout_seconds, headers=headers, follow_redirects=True) as client:
        for attempt in stamina.retry_context(
            on=TransientError, attempts=policy.attempts, timeout=policy.deadline_seconds, wait_initial=0.2
        ):
            with attempt:
                yield _ask(client, url, attempt.num, deadline, policy)


def base_url(source: Source) -> str:
    """Where the source is: its own address, or ``INGOT_SOURCE_URL_{NAME}`` where that is set (recordings)."""
    return os.environ.get(f"INGOT_SOURCE_URL_{source.name.upper()}", source.base_url).rstrip("/")


def _ask(client: httpx.Client, url: httpx.URL, tries: int, deadline: float, policy: RequestPolicy) -> Page:
    started = time.monotonic()
    chunks = []
    with _errors(url), client.stream("GET", url) as response:
        _check(response)
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise SourceUnavailable(
                    f"{url} was not read to its end within {policy.deadline_seconds:g} s.",
                    url=str(url),
                    hint="the source is slow; raise request.deadline_seconds in source.yaml if it always is",
                )
    body = b"".join(chunks)
    try:
        records = split(body)
    except PayloadBroken as error:
        error.url = str(url)
        raise
    return Page(str(url), response.status_code, round(time.monotonic() - started, 4), tries, body, records)


def _check(response: httpx.Response) -> None:
    status, url = response.status_code, str(response.request.url)
    if status >= 500 or status in _TRY_AGAIN:
        raise SourceUnavailable(f"{url} answered {status}.", url=url, hint=_NEXT)
    if status >= 400:
        raise SourceRefused(f"{url} answered {status}.", url=url, hint="look at the path and params in source.yaml")


@contextmanager
def _errors(url: httpx.URL) -> Iterator[None]:
    try:
        yield
    except httpx.RemoteProtocolError as error:
        raise PayloadBroken(
            f"{url} broke off its answer: {error}.",
            url=str(url),
            hint=_NEXT,
        ) from error
    except httpx.TimeoutException as error:
        raise SourceUnavailable(
            f"{url} did not answer in time ({type(error).__name__}).",
            url=str(url),
            hint=_NEXT,
        ) from error
    except httpx.TransportError as error:
        raise SourceUnavailable(
            f"{url} cannot be reached: {error}.",
            url=str(url),
            hint=_NEXT,
        ) from error
