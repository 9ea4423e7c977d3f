"""A command that a service runs for somebody: in a process group of its own, its lines passed on as they come."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Emit = Callable[[str, str], None]
"""Takes ``output`` or ``error``, and a line."""


@dataclass(frozen=True)
class End:
    """How it ended.

    Attributes:
        code: the process's, negative for a signal; None: it was stopped before it began.
        stopped: it was asked to.
        timed_out: its time was over.
    """

    code: int | None
    stopped: bool = False
    timed_out: bool = False


class Process:
    """Runs a command once.

    Args:
        emit: called for each line that it writes.
        grace_seconds: between asking it to end and ending it.
    """

    def __init__(self, *, emit: Emit, grace_seconds: float) -> None:
        self._emit = emit
        self._grace_seconds = grace_seconds
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End it: SIGTERM to the process group, SIGKILL after the grace."""
        with self._lock:
            self._stopping.set()
            if self._process:
                _signal_group(self._process, signal.SIGTERM)

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_running: Callable[[], None],
        timeout_seconds: float | None = None,
    ) -> End:
        """Run to the end; `on_running` is called when it has started. Raises OSError if it cannot be started."""
        with self._lock:
            if self._stopping.is_set():
                return End(None, stopped=True)
            self._process = process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        on_running()
        pumps = [
            threading.Thread(target=self._pump, args=(kind, stream), daemon=True)
            for kind, stream in (("output", process.stdout), ("error", process.stderr))
        ]
        for pump in pumps:
            pump.start()
        timed_out = not self._wait(process, timeout_seconds)
        # Children that outlive it would hold its pipes open, and go on writing.
        _signal_group(process, signal.SIGKILL)
        for pump in pumps:
            pump.join(timeout=10)
        return End(process.wait(), stopped=self._stopping.is_set(), timed_out=timed_out)

    def _wait(self, process: subprocess.Popen[bytes], timeout_seconds: float | None) -> bool:
        """Whether it ended in time. What is asked to stop gets its grace and no more."""
        deadline = threading.Event()
        if timeout_seconds is not None:
            timer = threading.Timer(timeout_seconds, deadline.set)
            timer.daemon = True
            timer.start()
        try:
            while not deadline.is_set():
                try:
                    process.wait(timeout=self._grace_seconds if self._stopping.is_set() else 0.1)
                    return True
                except subprocess.TimeoutExpired:
                    if self._stopping.is_set():
                        _signal_group(process, signal.SIGKILL)
            return process.poll() is not None
        finally:
            if timeout_seconds is not None:
                timer.cancel()

    def _pump(self, kind: str, stream: IO[bytes] | None) -> None:
        assert stream is not None
        with stream:
            for raw in stream:
                self._emit(kind, raw.decode(errors="replace").rstrip("\r\n"))


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
