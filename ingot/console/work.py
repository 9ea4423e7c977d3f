"""What the console was told to do and is doing: replays and discards, one thread each, watched by a page.

An object is worked at once at a time: whoever asks again, or clicks twice, is shown what is under way. That holds for
one process; between two, the resolving batch's manifest lets one replay win (:mod:`ingot.steps.resolve`). When the
process ends, the waiting ends and not the jobs; the same action then goes on from there.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ingot.cli.resolving import Results
from ingot.errors import IngotError

_LOG = logging.getLogger(__name__)
_AT_ONCE = 4
_REMEMBERED = 100

Do = Callable[[Callable[[str], None]], Results]
"""Does it, and tells its progress."""


@dataclass
class Work:
    """One action.

    Attributes:
        id: in its address.
        action: ``replay`` or ``discard``.
        keys: the objects that it is about.
        lines: what was told so far, and when.
        results: what became of them, when it is over.
        error: why there are none.
    """

    id: str
    action: str
    keys: frozenset[str]
    begun_at: datetime
    state: Literal["WAITING", "RUNNING", "DONE", "FAILED"] = "WAITING"
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    results: Results | None = None
    error: str = ""
    ended_at: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in ("DONE", "FAILED")

    def tell(self, line: str) -> None:
        """Note a line of progress."""
        self.lines.append((datetime.now(UTC), line))


class Works:
    """All actions of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Work] = {}
        self._turns = threading.Semaphore(_AT_ONCE)

    def start(self, action: str, keys: Iterable[str], do: Do) -> tuple[Work, bool]:
        """Begin an action; or the one that already works at one of its objects, and False: nothing was begun."""
        wanted = frozenset(keys)
        with self._lock:
            for known in self._known.values():
                if not known.over and known.keys & wanted:
                    return known, False
            work = Work(secrets.token_urlsafe(8), action, wanted, datetime.now(UTC))
            self._known[work.id] = work
            for old in [w for w in self._known.values() if w.over][: max(0, len(self._known) - _REMEMBERED)]:
                del self._known[old.id]
        threading.Thread(target=_run, args=(work, do, self._turns), daemon=True).start()
        return work, True

    def find(self, id: str) -> Work | None:
        """One action; None if this process does not know it."""
        return self._known.get(id)

    def on(self, key: str) -> Work | None:
        """What is under way on an object."""
        with self._lock:
            return next((w for w in self._known.values() if not w.over and key in w.keys), None)


def _run(work: Work, do: Do, turns: threading.Semaphore) -> None:
    with turns:
        work.state = "RUNNING"
        try:
            results = do(work.tell)
        except IngotError as error:
            _fail(work, f"{type(error).__name__} {error}")
        except Exception as error:
            # A page that waits for ever would look like success. The message may hold anything, and stays in the log.
            _LOG.exception("%s failed", work.action)
            _fail(work, f"{type(error).__name__}; the console's log says more")
        else:
            work.results, work.ended_at = results, datetime.now(UTC)
            work.state = "FAILED" if results.failures else "DONE"


def _fail(work: Work, error: str) -> None:
    work.error, work.ended_at, work.state = error, datetime.now(UTC), "FAILED"
