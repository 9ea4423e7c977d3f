"""The lines of a run in CloudWatch Logs, each as soon as it is written."""

from __future__ import annotations

import threading
import time

from moto.logs.models import LogsBackend, logs_backends

# What CloudWatch Logs takes as one event.
LONGEST_MESSAGE = 256 * 1024

_lock = threading.Lock()


class RunLog:
    """The streams of one run: `{group}/output` and `{group}/error`, each named by the run's id.

    It writes to moto's backend and not over HTTP: a chatty job would wait for its own log.
    """

    def __init__(self, account: str, region: str, group: str, stream: str) -> None:
        self._backend: LogsBackend = logs_backends[account][region]
        self._group, self._stream = group, stream
        with _lock:
            # Both exist from the start: a reader that polls a run finds them, empty or not.
            for kind in ("output", "error"):
                if f"{group}/{kind}" not in self._backend.groups:
                    self._backend.create_log_group(f"{group}/{kind}", {})
                self._backend.create_log_stream(f"{group}/{kind}", stream)

    def emit(self, kind: str, line: str) -> None:
        """Write a line to `output` or `error`."""
        event = {"timestamp": int(time.time() * 1000), "message": line[:LONGEST_MESSAGE] or " "}
        with _lock:
            if f"{self._group}/{kind}" in self._backend.groups:  # unless a stack deleted it meanwhile
                self._backend.put_log_events(f"{self._group}/{kind}", self._stream, [event])
