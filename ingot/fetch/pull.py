"""One pull: all pages of one batch, in order, within the source's limits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

import httpx
import stamina

from ingot import __version__
from ingot.errors import ConfigurationError, PayloadBroken, SourceRefused, SourceUnavailable, TransientError
from ingot.fetch.answers import AGAIN, check, translated
from ingot.fetch.auth import Mask, trusted
from ingot.fetch.limits import Deadline, RateLimit
from ingot.fetch.page import Answer, Page
from ingot.fetch.pagination import pager
from ingot.fetch.records import records_of
from ingot.gate.split import split
from ingot.request import RequestPolicy
from ingot.sources import Stream
from ingot.tracing import phase


class Pull:
    """Asks for the pages of one batch.

    Args:
        url: the first page's address, less what the pagination adds.
        auth: what puts credentials on requests.
        mask: how addresses are shown.
        most: how many pages are asked for at most; None: all that there are.

    Attributes:
        sent: how many requests have left, tries and redirects included.
    """

    def __init__(
        self,
        stream: Stream,
        policy: RequestPolicy,
        url: httpx.URL,
        *,
        auth: httpx.Auth | None = None,
        mask: Mask = Mask(),  # noqa: B008  # it cannot be changed
        most: int | None = None,
    ) -> None:
        self.sent = 0
        self._most = most
        self._stream, self._policy, self._url, self._auth, self._mask = stream, policy, url, auth, mask
        self._cut = records_of(stream)
        self._pager = pager(stream.pagination)
        self._limit = RateLimit(policy.requests_per_second)
        self._confidential = auth is not None or bool(stream.headers)
        self._connecting = _Connecting()
        self._origin = _origin(url)
        self._tasks: dict[str, asyncio.Task[Answer]] = {}  # by address

    async def pages(self) -> AsyncGenerator[Page, None]:
        """The pages, in order. While one is in work, up to ``concurrency`` of those behind it are on their way."""
        self._deadline = Deadline(self._policy.deadline_seconds)
        headers = {"User-Agent": f"ingot/{__version__}", "Accept": "application/json", **self._stream.headers}
        async with httpx.AsyncClient(
            timeout=self._policy.timeout_seconds,
            headers=headers,
            auth=self._auth,
            follow_redirects=True,
            verify=trusted(),
            event_hooks={"request": [self._before]},
        ) as self._client:
            try:
                async for page in self._walk():
                    with self._deadline.stopped():  # what is done with a page is not the source's time
                        yield page
            finally:
                await self._steer({})

    async def _walk(self) -> AsyncGenerator[Page, None]:
        read: set[str] = set()
        body = b""
        following = _by_address([self._pager.first(self._url)])
        await self._steer(following)
        while following:
            address, url = next(iter(following.items()))
            await asyncio.wait([self._tasks[address]])
            answer = self._tasks.pop(address).result()
            self._hold_to_new(answer.page, body)
            body = answer.page.body
            read.add(address)
            following = _by_address(islice(self._pager.ahead(url, answer), self._ahead(len(read))))
            for address, url in islice(following.items(), 1):
                self._hold_to_bounds(address, url, read)
            await self._steer(following)
            yield answer.page

    def _ahead(self, read: int) -> int:
        """How many pages may be on their way when so many have come."""
        return self._policy.concurrency if self._most is None else min(self._policy.concurrency, self._most - read)

    async def _steer(self, following: dict[str, httpx.URL]) -> None:
        """Ask for these pages and no others: what was guessed right goes on, and the rest is dropped.

        So the way is that of one page after the other, however many are asked for at once.
        """
        dropped = [self._tasks.pop(address) for address in self._tasks.keys() - following.keys()]
        for address, url in following.items():
            if address not in self._tasks:
                self._tasks[address] = asyncio.create_task(self._ask(url))
        if dropped:
            await self._connecting.over()
            for task in dropped:
                task.cancel()
            await asyncio.gather(*dropped, return_exceptions=True)

    def _hold_to_new(self, page: Page, before: bytes) -> None:
        if page.records and page.body == before:
            raise PayloadBroken(
                f"{page.url} holds the same records as the page before it.",
                url=page.url,
                hint="see that the source knows the parameter in source.yaml's pagination",
            )

    def _hold_to_bounds(self, address: str, url: httpx.URL, read: set[str]) -> None:
        how = self._stream.pagination
        if address in read:
            shown = self._mask(url)
            raise PayloadBroken(f"The source's pages go round in a circle: {shown} comes again.", url=shown, hint=AGAIN)
        if _origin(url) != self._origin:
            shown = self._mask(url)
            raise SourceRefused(
                f"The next page is said to be at another place: {shown}.",
                url=shown,
                hint="credentials go to the source only; if it moved, change base_url in source.yaml",
            )
        if how is not None and len(read) >= how.max_pages:
            raise ConfigurationError(
                f"There are more than {how.max_pages} pages.",
                stream=self._stream.name,
                hint="take a shorter interval or larger pages, or raise max_pages in source.yaml's pagination",
            )

    async def _ask(self, url: httpx.URL) -> Answer:
        """One page, however often it takes."""
        shown = self._mask(url)
        failures: list[TransientError] = []
        try:
            async with self._deadline.hold():
                async for attempt in stamina.retry_context(
                    on=self._again(failures), attempts=self._policy.attempts, timeout=None, wait_initial=0.2
                ):
                    with attempt:
                        return await self._once(url, shown, attempt.num)
        except TimeoutError as error:
            last = f" Before that: {failures[-1].message}" if failures else ""
            raise SourceUnavailable(
                f"{shown} was not read to its end within {self._policy.deadline_seconds:g} s.{last}",
                url=shown,
                hint="the source is slow; raise request.deadline_seconds in source.yaml if it always is",
            ) from error
        raise AssertionError("the last attempt returns or raises")

    def _again(self, failures: list[TransientError]) -> Callable[[Exception], bool | float]:
        """What stamina asks after a failure: whether to try again, and after which wait if it is not its own."""

        def again(error: Exception) -> bool | float:
            if not isinstance(error, TransientError):
                return False
            failures.append(error)
            wait = error.retry_after if isinstance(error, SourceUnavailable) else None
            if wait is None:
                return True
            if wait > self._deadline.left:
                return False
            return wait + random.uniform(0, 0.2)  # noqa: S311  # so that not all come back at one moment

        return again

    async def _once(self, url: httpx.URL, shown: str, tries: int) -> Answer:
        extensions = {"trace": self._connecting.trace}
        try:
            with translated(shown), phase("request", url=shown) as traced:
                async with self._client.stream("GET", url, extensions=extensions) as response:
                    traced["http"]["response"] = {"status": response.status_code}
                    check(response, shown, hint=self._refusal(response.status_code))
                    body = await response.aread()
            array, envelope = self._cut(body)
            records = split(array)
        except PayloadBroken as error:
            error.url = error.url or shown
            raise
        except SourceUnavailable as error:
            if error.retry_after is not None:
                self._limit.hold(min(error.retry_after, self._deadline.left))
                if error.retry_after > self._deadline.left:
                    error.message = (
                        f"{error.message[:-1]} and asks to wait {error.retry_after:.0f} s, beyond the deadline."
                    )
            raise
        page = Page(shown, response.status_code, round(response.elapsed.total_seconds(), 4), tries, array, records)
        return Answer(page, envelope, response.links, response.headers)

    async def _before(self, request: httpx.Request) -> None:
        """Before any request leaves, also after a redirect."""
        if self._confidential and _origin(request.url) != self._origin:
            shown = self._mask(request.url)
            raise SourceRefused(
                f"The source redirects to another place: {shown}.",
                url=shown,
                hint="credentials go to the source only; if it moved, change base_url in source.yaml",
            )
        await self._limit.turn()
        self.sent += 1

    def _refusal(self, status: int) -> str:
        if status not in (401, 403):
            return "look at the path and params in source.yaml"
        if self._auth is None:
            return "the source asks for credentials: declare auth in source.yaml"
        return "look at the values in the source's secret, at what they are allowed, and at auth in source.yaml"


def _by_address(urls: Iterable[httpx.URL]) -> dict[str, httpx.URL]:
    return {str(url): url for url in urls}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


class _Connecting:
    """The connections that are being made.

    httpx leaves a connection open whose making is cancelled: who cancels a request waits for them.
    """

    _PATIENCE = 1.0  # seconds: what takes longer is not there yet, and nothing to leave open

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()

    async def trace(self, event: str, _: Any) -> None:
        """httpx's extension of that name: called at every event of a request."""
        _, _, step = event.partition(".")
        if step in ("connect_tcp.started", "start_tls.started"):
            self._count += 1
            self._none.clear()
        elif step.startswith(("connect_tcp.", "start_tls.")):
            self._count -= 1
            self._none.set()

    async def over(self) -> None:
        """Wait until there is none, for a moment at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._PATIENCE):
                while self._count:
                    self._none.clear()
                    await self._none.wait()
