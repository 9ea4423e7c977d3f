"""One pull: all pages of one batch, in order, within the source's limits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice

import httpx
import stamina

from ingot import __version__
from ingot.errors import ConfigurationError, PayloadBroken, SourceRefused, SourceUnavailable, TransientError
from ingot.fetch.answers import AGAIN, check, translated
from ingot.fetch.auth import Mask
from ingot.fetch.envelope import Records
from ingot.fetch.limits import RateLimit
from ingot.fetch.page import Answer, Page
from ingot.fetch.pagination import pager
from ingot.gate.split import split
from ingot.request import RequestPolicy
from ingot.sources import Stream


class Pull:
    """Asks for the pages of one batch.

    Args:
        url: the first page's address, less what the pagination adds.
        auth: what puts credentials on requests.
        mask: how addresses are shown.
    """

    def __init__(
        self, stream: Stream, policy: RequestPolicy, url: httpx.URL, *, auth: httpx.Auth | None, mask: Mask
    ) -> None:
        self._stream, self._policy, self._url, self._auth, self._mask = stream, policy, url, auth, mask
        self._records = Records(stream.records)
        self._pager = pager(stream.pagination)
        self._limit = RateLimit(policy.requests_per_second)
        self._confidential = auth is not None or bool(stream.headers)

    async def pages(self) -> AsyncIterator[Page]:
        """The pages, in order. While one is in work, up to ``concurrency`` of those behind it are on their way."""
        self._deadline = asyncio.get_running_loop().time() + self._policy.deadline_seconds
        headers = {"User-Agent": f"ingot/{__version__}", "Accept": "application/json", **self._stream.headers}
        tasks: dict[httpx.URL, asyncio.Task[Answer]] = {}
        async with httpx.AsyncClient(
            timeout=self._policy.timeout_seconds,
            headers=headers,
            auth=self._auth,
            follow_redirects=True,
            event_hooks={"request": [self._before]},
        ) as self._client:
            try:
                async for page in self._walk(tasks):
                    yield page
            finally:
                await _cancel(tasks.values())

    async def _walk(self, tasks: dict[httpx.URL, asyncio.Task[Answer]]) -> AsyncIterator[Page]:
        url = self._pager.first(self._url)
        tasks[url] = asyncio.create_task(self._ask(url))
        read: set[httpx.URL] = set()
        before = b""
        while True:
            answer = await tasks.pop(url)
            self._hold_to_new(len(read), answer.page, before)
            before = answer.page.body
            read.add(url)
            following = list(islice(self._pager.ahead(url, answer), self._policy.concurrency))
            if following:
                self._hold_to_bounds(following[0], read)
            # What was guessed wrong is dropped, what was guessed right goes on: the way is that of one page at a time.
            dropped = [tasks.pop(guess) for guess in list(tasks) if guess not in following]
            for ahead in following:
                if ahead not in tasks:
                    tasks[ahead] = asyncio.create_task(self._ask(ahead))
            await _cancel(dropped)
            yield answer.page
            if not following:
                return
            url = following[0]

    def _hold_to_new(self, read: int, page: Page, before: bytes) -> None:
        if read and page.records and page.body == before:
            raise PayloadBroken(
                f"{page.url} holds the same records as the page before it.",
                url=page.url,
                hint="see that the source knows the parameter in source.yaml's pagination",
            )

    def _hold_to_bounds(self, url: httpx.URL, read: set[httpx.URL]) -> None:
        shown = self._mask(url)
        if url in read:
            raise PayloadBroken(f"The source's pages go round in a circle: {shown} comes again.", url=shown, hint=AGAIN)
        if _origin(url) != _origin(self._url):
            raise SourceRefused(
                f"The next page is said to be at another place: {shown}.",
                url=shown,
                hint="credentials go to the source only; if it moved, change base_url in source.yaml",
            )
        how = self._stream.pagination
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
            async with asyncio.timeout_at(self._deadline):
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
            if wait > self._left():
                return False
            return wait + random.uniform(0, 0.2)  # noqa: S311  # so that not all come back at one moment

        return again

    async def _once(self, url: httpx.URL, shown: str, tries: int) -> Answer:
        try:
            with translated(shown):
                async with self._client.stream("GET", url) as response:
                    check(response, shown, hint=self._refusal(response.status_code))
                    body = await response.aread()
            array, envelope = self._records.cut(body)
            records = split(array)
        except PayloadBroken as error:
            error.url = shown
            raise
        except SourceUnavailable as error:
            if error.retry_after is not None:
                self._limit.hold(min(error.retry_after, self._left()))
                if error.retry_after > self._left():
                    error.message = (
                        f"{error.message[:-1]} and asks to wait {error.retry_after:g} s, beyond the deadline."
                    )
            raise
        page = Page(shown, response.status_code, round(response.elapsed.total_seconds(), 4), tries, array, records)
        return Answer(page, envelope, response.links)

    async def _before(self, request: httpx.Request) -> None:
        """Before any request leaves, also after a redirect."""
        if self._confidential and _origin(request.url) != _origin(self._url):
            shown = self._mask(request.url)
            raise SourceRefused(
                f"The source redirects to another place: {shown}.",
                url=shown,
                hint="credentials go to the source only; if it moved, change base_url in source.yaml",
            )
        await self._limit.turn()

    def _refusal(self, status: int) -> str:
        if status not in (401, 403):
            return "look at the path and params in source.yaml"
        if self._auth is None:
            return "the source asks for credentials: declare auth in source.yaml"
        return "look at the values in the source's secret, at what they are allowed, and at auth in source.yaml"

    def _left(self) -> float:
        return max(0.0, self._deadline - asyncio.get_running_loop().time())


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


async def _cancel(tasks: Iterable[asyncio.Task[Answer]]) -> None:
    """End tasks whose answers nobody wants, and forget their errors."""
    wanted = list(tasks)
    for task in wanted:
        task.cancel()
    await asyncio.gather(*wanted, return_exceptions=True)
