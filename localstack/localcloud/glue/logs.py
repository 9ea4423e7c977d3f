"""The lines of a run in CloudWatch Logs, each as soon as it is written."""

from __future__ import annotations

import logging
import threading
import time

from moto.logs.models import LogsBackend, logs_backends

from localcloud.permissions import log_stream_arn, role_may

log = logging.getLogger(__name__)

# What CloudWatch Logs takes as one event.
LONGEST_MESSAGE = 256 * 1024

_lock = threading.Lock()


class RunLog:
    """The streams of one run: `{group}/output` and `{group}/error`, each named by the run's id.

    It writes to moto's backend and not over HTTP: a chatty job would wait for its own log. It does so in the name of
    the job's role: where that may not, the lines are lost, and the run goes on.
    """

    def __init__(self, account: str, region: str, group: str, stream: str, *, role: str) -> None:
        self._backend: LogsBackend = logs_backends[account][region]
        self._group, self._stream = group, stream
        self._kinds = {
            kind for kind in ("output", "error") if _may_write(account, region, f"{group}/{kind}", stream, role)
        }
        with _lock:
            # Both exist from the start: a reader that polls a run finds them, empty or not.
            for kind in self._kinds:
                if f"{group}/{kind}" not in self._backend.groups:
                    self._backend.create_log_group(f"{group}/{kind}", {})
                self._backend.create_log_stream(f"{group}/{kind}", stream)

    def emit(self, kind: str, line: str) -> None:
        """Write a line to `output` or `error`."""
        if kind not in self._kinds:
            return
        event = {"timestamp": int(time.time() * 1000), "message": line[:LONGEST_MESSAGE] or " "}
        with _lock:
            if f"{self._group}/{kind}" in self._backend.groups:  # unless a stack deleted it meanwhile
                self._backend.put_log_events(f"{self._group}/{kind}", self._stream, [event])


def _may_write(account: str, region: str, group: str, stream: str, role: str) -> bool:
    name, resource = role.rpartition("/")[2], log_stream_arn(region, account, group, stream)
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        if not role_may(account, name, action, resource):
            log.warning("role %s has no right to %s: %s loses what run %s writes", name, action, group, stream)
            return False
    return True
