"""Asks a source that nobody knows yet: few requests, one after the other, and no faster than it wants.

What it is asked is kept, so that a file can say what was seen: statuses, waits, what was told of limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import stamina

from ingot import __version__
from ingot.contract.shape import VALUES
from ingot.errors import ConfigurationError, PayloadBroken, SourceRefused, SourceUnavailable
from ingot.fetch.answers import check, translated
from ingot.fetch.auth import Mask, trusted
from ingot.fetch.limits import RateLimit, retry_after

_LONGEST_WAIT = 60.0  # seconds that a sample is worth waiting for
_PACES = (50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_ATTEMPTS = 4


class AuthWanted(SourceRefused):
    """The source answered 401 or 403: it wants credentials, or others than it was given.

    Args:
        challenge: its header ``WWW-Authenticate``.
    """

    def __init__(self, message: str, *, url: str, challenge: str, hint: str) -> None:
        super().__init__(message, url=url, hint=hint)
        self.challenge = challenge


@dataclass(frozen=True)
class Reply:
    """One answer as it came.

    Attributes:
        url: what was asked, without credentials.
        status: its status; only 2xx has anything to read.
        headers: its headers.
        body: its bytes.
    """

    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is an answer to what was asked."""
        return 200 <= self.status < 300

    @property
    def value(self) -> Any:
        """The body as JSON; None if it is none, or nothing was answered."""
        if not self.ok:
            return None
        try:
            return VALUES.decode(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass
class Limits:
    """What was seen of the source's limits.

    Attributes:
        told: its headers that speak of them.
        refused: of each 429: how many requests it had admitted before, and the seconds from the first of these to the
            end of the wait that it asked for.
    """

    told: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[int, float]] = field(default_factory=list)

    @property
    def requests_per_second(self) -> float | None:
        """A pace that stays below what was refused, rounded down; None if nothing was."""
        if not self.refused:
            return None
        slowest = min(admitted / seconds for admitted, seconds in self.refused)
        return next((pace for pace in _PACES if pace <= slowest), _PACES[-1])

    @property
    def why(self) -> str:
        """The evidence for it."""
        admitted, seconds = min(self.refused, key=lambda each: each[0] / each[1])
        return f"429 after {admitted} request{'s' if admitted != 1 else ''}, and {seconds:.0f} s to wait all in all"


class Asker:
    """Asks one source.

    Attributes:
        sent: how many requests were.
        limits: what they showed.
        broken: the requests that were never answered, though others were.

    Args:
        auth: puts credentials on requests.
        mask: how addresses are shown.
        headers: sent with each request.
        most: how many requests may be sent at most, tries included.
        per_second: how many a second.
        timeout: how many seconds an answer may take to begin.
    """

    def __init__(
        self,
        *,
        auth: httpx.Auth | None = None,
        mask: Mask = Mask(),  # noqa: B008  # it cannot be changed
        headers: Mapping[str, str] | None = None,
        most: int = 60,
        per_second: float = 5.0,
        timeout: float = 30.0,
    ) -> None:
        self.auth, self.mask, self.headers, self.most = auth, mask, dict(headers or {}), most
        self.limits = Limits()
        self.sent = 0
        self.broken: list[str] = []
        self._answered = False
        self._admitted, self._since = 0, 0.0
        self._known: dict[str, Reply] = {}
        self._limit = RateLimit(per_second)
        self._timeout = timeout
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        given = {"User-Agent": f"ingot/{__version__}", "Accept": "application/json", **self.headers}
        self._client = httpx.AsyncClient(
            timeout=self._timeout,
            headers=given,
            auth=self.auth,
            follow_redirects=self.auth is None and not self.headers,  # credentials go nowhere else
            verify=trusted(),
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def get(self, url: httpx.URL) -> Reply:
        """The source's answer, also one that refuses; asked once, however often it is wanted.

        Raises:
            AuthWanted: it answered 401 or 403.
            SourceUnavailable: it does not answer, or not in a time that a sample is worth.
            ConfigurationError: more would be asked than a sample is worth.
        """
        if (known := self._known.get(str(url))) is None:
            try:
                known = self._runner.run(self._get(url))
            except SourceUnavailable as error:
                if not self._answered:
                    raise
                # It answers, but not to this: a parameter that it does not know may well be its end.
                self.broken.append(error.message)
                known = Reply(url, 503, httpx.Headers(), b"")
            self._known[str(url)] = known
        return known

    async def _get(self, url: httpx.URL) -> Reply:
        async for attempt in stamina.retry_context(on=_again, attempts=_ATTEMPTS, timeout=None, wait_initial=0.2):
            with attempt:
                return await self._once(url)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, url: httpx.URL) -> Reply:
        shown = self.mask(url)
        if self.sent >= self.most:
            raise ConfigurationError(
                f"{self.sent} requests were sent, and {shown} is still not understood.",
                url=shown,
                hint="say more of it by options, or allow more with --requests",
            )
        await self._limit.turn()
        self.sent += 1
        clock = asyncio.get_running_loop().time
        self._since = self._since or clock()
        with translated(shown):
            response = await self._client.get(url)
        reply = Reply(url, response.status_code, response.headers, response.content)
        self.limits.told |= {
            n.lower(): v for n, v in response.headers.items() if "ratelimit" in n.lower().replace("-", "")
        }
        if reply.status in (401, 403) and not self._answered:
            raise AuthWanted(
                f"{shown} answered {reply.status}.",
                url=shown,
                challenge=reply.headers.get("WWW-Authenticate", ""),
                hint="it wants credentials: see --auth" if self.auth is None else "look at --auth and at its values",
            )
        if reply.status == 429:
            wait = retry_after(reply.headers)
            if wait is not None:
                self.limits.refused.append((max(self._admitted, 1), max(clock() - self._since + wait, 1.0)))
                self._admitted, self._since = 0, 0.0
        if reply.status >= 500 or reply.status in (408, 425, 429):
            check(response, shown)
        self._admitted += 1
        self._answered |= reply.ok
        return reply


def _again(error: Exception) -> bool | float:
    if not isinstance(error, SourceUnavailable | PayloadBroken):
        return False
    wait = error.retry_after if isinstance(error, SourceUnavailable) else None
    if wait is None:
        return True
    return wait + 0.05 if wait <= _LONGEST_WAIT else False
