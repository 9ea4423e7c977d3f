"""Detached processes that are found again: by pid and start time, so that a stale pid file fools nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from laptop.environment import inherited_environment
from laptop.errors import LaptopError
from laptop.paths import Home

_STARTED: list[subprocess.Popen[bytes]] = []
"""Kept, since a Popen that is collected while its process lives warns of it: ours are meant to live on."""


def _notice_ends() -> None:
    """Ask each for its end, which one that psutil waited for, or that ended by itself, does not know of."""
    for child in _STARTED:
        child.poll()


@dataclass(frozen=True, kw_only=True)
class Service:
    """A long-running command with a pid file and a log in the state folder."""

    home: Home
    name: str
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of this process's environment."""
    stop_seconds: float = 20
    """How long it may take to end after SIGTERM before it is killed."""

    @property
    def log(self) -> Path:
        return self.home.logs / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.home.run / f"{self.name}.json"

    def process(self) -> psutil.Process | None:
        """The running process, or None: not started, ended, or its pid now belongs to somebody else."""
        try:
            known = json.loads(self._pid_file.read_text())
            process = psutil.Process(known["pid"])
            if process.create_time() == known["created"] and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except (OSError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
            return None
        return None

    def start(self) -> bool:
        """Start it in a session of its own, so that Ctrl-C here does not end it there.

        Returns:
            False if it is running already.
        """
        if self.process():
            return False
        self.home.run.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(self.command),
                cwd=self.home.checkout,
                env={**inherited_environment(), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _STARTED.append(child)
        self.adopt(child.pid)
        return True

    def adopt(self, pid: int) -> None:
        """Remember a process as this service."""
        created = psutil.Process(pid).create_time()
        self._pid_file.write_text(json.dumps({"pid": pid, "created": created}))

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until ``ready()`` holds.

        Raises:
            LaptopError: It ended, or was not ready in time; with the last lines of its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process() is None:
                _notice_ends()
                raise self._error(f"{self.name} ended while it was starting.")
            if time.monotonic() > deadline:
                raise self._error(f"{self.name} was not ready within {seconds:.0f} seconds.")
            time.sleep(0.1)

    def stop(self) -> bool:
        """SIGTERM to the process and its children, SIGKILL to what is left after ``stop_seconds``.

        Returns:
            False if it was not running.
        """
        process = self.process()
        if process is None:
            _notice_ends()
            self._pid_file.unlink(missing_ok=True)
            return False
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs([process], timeout=self.stop_seconds)
        for one in left:
            _signal(one, signal.SIGKILL)
        # Its children end with it; those that do not are asked, then ended.
        orphans = [one for one in family if one not in left and one.is_running()]
        for one in orphans:
            _signal(one, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(orphans, timeout=5)
        for one in stubborn:
            _signal(one, signal.SIGKILL)
        psutil.wait_procs(family, timeout=5)
        _notice_ends()
        self._pid_file.unlink(missing_ok=True)
        return True

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 64 * 1024))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def _error(self, what: str) -> LaptopError:
        return LaptopError(
            what,
            detail=self.tail(),
            hint=f"Its whole log is {self.log}. After mending it: `make down`, then `make demo`.",
        )


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
