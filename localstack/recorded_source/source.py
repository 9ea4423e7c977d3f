"""The recorded source inside a process: what tests use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from .application import Application
from .declared import SOURCES
from .journal import ServedRequest
from .recordings import FAKESTORE, Recordings
from .server import RecordedServer

CACHE_BYTES = 512 * 1024 * 1024


class RecordedSource:
    """A source on loopback, served by threads of this process while the ``with`` block runs.

    Example:
        >>> with RecordedSource() as source:
        ...     source.misbehave("/carts", status=502, times=1)
        ...     # fetch from source.url …
        ...     [request.path for request in source.requests]

    Args:
        recordings: A folder with one JSON array a stream.
        apis: Folders of sources; those with a ``recorded/api.yaml`` are served at ``/{name}``.
        host: The address to bind.
        port: 0 lets the system choose.
        log: Where to write a line a request.
        cache_bytes: How much memory rendered synthetic pages may take.
    """

    def __init__(
        self,
        *,
        recordings: Path = FAKESTORE,
        apis: Sequence[Path] = (SOURCES,),
        host: str = "127.0.0.1",
        port: int = 0,
        log: TextIO | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._application = Application(Recordings(recordings), apis=apis, log=log, cache_bytes=cache_bytes)
        self._server = RecordedServer((host, port), self._application)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="recorded-source"
        )

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._server.url

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def requests(self) -> list[ServedRequest]:
        """The API requests so far, oldest first; those of the control path are not among them."""
        return self._application.journal.requests()

    def misbehave(self, path: str = "*", **rule: Any) -> None:
        """Add a rule, with the members of its JSON form: ``misbehave("/carts", status=502, times=1)``.

        Raises:
            BadFault: if the rule cannot be understood; the message says what it may hold.
        """
        self._application.tell({"path": path, **rule})

    def behave(self) -> None:
        """Forget all rules."""
        self._application.faults.clear()

    @property
    def tokens(self) -> list[str]:
        """The OAuth tokens given out that were not ended."""
        return self._application.guards.tokens

    def expire_tokens(self) -> None:
        """End every OAuth token given out so far."""
        self._application.guards.expire_tokens()

    def forget_requests(self) -> None:
        self._application.journal.clear()

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving: connections that hang are ended and every thread is joined."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
