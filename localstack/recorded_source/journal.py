"""The requests that the source has served.

What a test asks to prove that something was, or was not, fetched.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from .messages import Request

CAPACITY = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedRequest:
    """One request. ``query`` is as it was sent; ``status`` is None where no reply came (hang, reset)."""

    method: str
    path: str
    query: str
    time: datetime
    status: int | None
    size: int


class Journal:
    """The last 100,000 requests, oldest first, each also a line of the access log if there is one."""

    def __init__(self, log: TextIO | None = None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._requests: deque[ServedRequest] = deque(maxlen=CAPACITY)

    def enter(self, request: Request, status: int | None, size: int) -> None:
        """Note a request before its reply is sent, so that a client that has the reply finds it here."""
        served = ServedRequest(
            method=request.method,
            path=request.path,
            query=request.query,
            time=datetime.now(UTC),
            status=status,
            size=size,
        )
        with self._lock:
            self._requests.append(served)
            if self._log:
                target = f"{served.path}?{served.query}" if served.query else served.path
                self._log.write(f"{served.time.isoformat()} {served.method} {target!r} {status or '-'} {size}\n")
                self._log.flush()

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def requests(self) -> list[ServedRequest]:
        with self._lock:
            return list(self._requests)
