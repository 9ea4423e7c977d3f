"""One run of a command as a whole process: what it took, and what it said.

CPU is ``wait4``'s: user and system time of the process and of every child that it waited for. Peak resident memory is
that of the process as the kernel kept it (``ru_maxrss``), or, where it has children, the largest sum of the resident
memory of all of them at one moment, looked at every 20 ms; the larger of the two. A page that two processes share
counts twice then, which is in nobody's favour who starts several.

The kernel counts what the parent held at the fork as the child's: so this program stays small while it measures (it
imports no third-party package), and holds itself to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK = 0.02  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT_MIB = 60  # what this program may hold itself: less than any contender


class WrongAnswer(Exception):
    """A contender failed, or brought something else than was due."""


@dataclass(frozen=True)
class Run:
    """What one run took: seconds, seconds of CPU, bytes; and its answer."""

    wall: float
    cpu: float
    peak: int
    answer: dict[str, Any]


def run(
    command: Sequence[str], environment: Mapping[str, str], *, cores: int | None = None, limit: float = 1800.0
) -> Run:
    """Run a command to its end.

    Args:
        cores: how many of this machine's cores it may use; None for all.
        limit: seconds until it is stopped.

    Raises:
        WrongAnswer: it ended with another code than 0, or its last line is no JSON object.
    """
    own = _held()
    assert own < _PARENT_MIB, f"the benchmark itself holds {own:.0f} MiB, and would measure that"
    allowed = sorted(os.sched_getaffinity(0))[:cores] if cores else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, allowed)) if allowed else None,
        )
        watch = _Watch(process.pid)
        stop = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        watch.start()
        stop.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        stop.cancel()
        watch.over.set()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        said, complaint = _text(out), _text(err)
    if process.returncode:
        raise WrongAnswer(f"{' '.join(command)} ended with {process.returncode}:\n{complaint[-2000:]}")
    try:
        answer = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise WrongAnswer(f"{' '.join(command)} said no result:\n{said[-500:]}\n{complaint[-1500:]}") from None
    return Run(wall, used.ru_utime + used.ru_stime, max(used.ru_maxrss * 1024, watch.peak), answer)


def _held() -> float:
    """The most MiB that this program held: not ``ru_maxrss``, which also counts what its own parent held."""
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode("utf-8", "replace"))


class _Watch(threading.Thread):
    """The largest sum of resident memory of a process and its descendants, where there are any."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self.over.wait(_LOOK):
            if len(tree := list(_tree(self._pid))) > 1:
                self.peak = max(self.peak, sum(map(_resident, tree)))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found.extend(map(int, task.read_text().split()))
            except OSError:
                continue  # it has ended meanwhile
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
