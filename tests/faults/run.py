"""One run of a job while it goes on: its process, what strikes it, and what it is known to have done."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from tests.faults.faults import DONE, KILLS, Channel, Fault
from tests.faults.shop import Record


@dataclass(frozen=True)
class Answer:
    """An answer of the source that was sent whole: what one run was given for its batch."""

    run: Run
    query: str
    records: tuple[Record, ...]


@dataclass(eq=False)
class Run:
    """A run of one step for one batch (or of the audit).

    Attributes:
        name: says which one it is within its history: `round 2 carts load try 1`.
        orchestrator: whose run it is, of those that may have the same batch in hand.
        batch: the batch's id; empty for the audit.
        as_of: the time that the run stands for.
        turns: where the run has to wait for its turn, if another one runs at once.
        action: of a replay: `replay` or `discard`.
        answers: what the source sent it, whole.
        written: the keys that it wrote to S3, in order, as S3 saw them.
        watch: called with each of these as soon as it is there, and before the job hears of it.
        seen: what `watch` raised.
        code: the process's exit code, -9 for a killed one; None while it runs.
        said: the last line of what it printed (`output`).
    """

    name: str
    orchestrator: str
    step: str
    batch: str
    as_of: datetime
    faults: Sequence[Fault] = ()
    turns: Turns | None = None
    action: str = ""
    answers: list[Answer] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    watch: Callable[[str], None] = lambda key: None
    seen: Exception | None = None
    struck: list[Fault] = field(default_factory=list)
    code: int | None = None
    said: str = ""
    output: str = ""
    _counts: Counter[Fault] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _pid: int = 0

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def terminal(self) -> bool:
        """Whether the orchestrator is told not to try again."""
        return self.said.startswith("TERMINAL ")

    @property
    def recorded(self) -> bool:
        """Whether it left a record of its attempt."""
        return any(key.startswith("attempts/") for key in self.written)

    @property
    def unheard(self) -> bool:
        """Whether it may have done its work and recorded that, and died or despaired before it could tell."""
        ended = any(count > 1 for key, count in Counter(self.written).items() if key.startswith("attempts/"))
        return ended and any(fault.channel == "aws" and fault.kind in DONE for fault in self.struck)

    @property
    def over(self) -> bool:
        return self._ended.is_set()

    def started(self, pid: int) -> None:
        self._pid = pid
        self._started.set()

    def ended(self, code: int | None, said: str) -> None:
        self.code, self.said = code, said
        self._ended.set()
        if self.turns:
            self.turns.leave(self)

    def wrote(self, key: str) -> None:
        """Note a key that is there now."""
        self.written.append(key)
        try:
            self.watch(key)
        except Exception as error:
            self.seen = self.seen or error

    def request(self, channel: Channel, fits: Callable[[Fault], bool] = lambda fault: True) -> Fault | None:
        """Count a request; the fault that strikes it, if one does.

        Args:
            fits: whether a fault can happen to this request at all.
        """
        if self.turns and channel in ("source", "aws", "commit"):
            self.turns.wait(self)
        with self._lock:
            struck = None
            for fault in self.faults:
                if fault.channel == channel and fits(fault):
                    self._counts[fault] += 1
                    if fault.at <= self._counts[fault] < fault.at + fault.times:
                        struck = struck or fault
            return struck

    def strike(self, fault: Fault) -> None:
        """Note that a fault did what it is there for; a killing one kills."""
        with self._lock:
            if fault not in self.struck:
                self.struck.append(fault)
        if fault.kind in KILLS:
            self._started.wait(10)
            if not self._ended.is_set():
                os.kill(self._pid, signal.SIGKILL)
            self._ended.wait(10)


class Turns:
    """Lets runs that go on at once pass one request at a time, in an order that the seed chooses.

    Whoever's turn it is and makes no request (it computes, or waits for a lock of the other one's) is passed over.
    """

    PATIENCE_SECONDS = 0.1

    def __init__(self, random: Random) -> None:
        self._random = random
        self._runs: list[Run] = []
        self._idle: set[Run] = set()
        self._next: Run | None = None
        self._changed = threading.Condition()

    def join(self, run: Run) -> None:
        with self._changed:
            self._runs.append(run)
            self._choose()

    def leave(self, run: Run) -> None:
        with self._changed:
            self._runs.remove(run)
            self._choose()

    def wait(self, run: Run) -> None:
        """Return when it is this run's turn, or nobody else makes use of theirs."""
        with self._changed:
            self._idle.discard(run)
            while self._next not in (None, run) and self._next not in self._idle:
                if not self._changed.wait(self.PATIENCE_SECONDS) and self._next not in (None, run):
                    self._idle.add(self._next)
            self._choose()

    def _choose(self) -> None:
        self._next = self._random.choice(self._runs) if self._runs else None
        self._changed.notify_all()
