"""Tasks: PENDING, RUNNING and STOPPED, with the codes and reasons that ECS gives.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ecs.models import Task, TaskDefinition

from localcloud.ecs.container import ContainerLog, StartError, entry_point, environment
from localcloud.processes import End, Process

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 5.0
"""ECS waits for the container's stopTimeout, 30 seconds by default."""


class RunningTask(Task):
    """A task as moto keeps it, whose container is run."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._status = "PENDING"
        self._process: Process | None = None
        self._asked: str | None = None
        self.created_at = utcnow()
        self.started_at: Any = None
        self.stopped_at: Any = None
        self.stop_code: str | None = None
        self.stopped_reason: str | None = None
        self._tell_container("PENDING")
        del self.containers[0].exitCode  # it has none yet

    @property
    def status(self) -> str:  # type: ignore[override]
        """What is so, where moto counts how often it was asked."""
        return self._status

    @status.setter
    def status(self, value: str) -> None:
        self._status = value

    @property
    def active(self) -> bool:
        return self._status != "STOPPED"

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self._run, name=f"ecs-{self.id[:8]}", daemon=True).start()

    def stop(self, reason: str) -> None:
        """Ask it to end; nothing for a task that has."""
        with self._lock:
            if not self.active:
                return
            self.desired_status, self._asked = "STOPPED", reason
            if self._process:
                self._process.stop()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than `seconds`."""
        self._ended.wait(seconds)

    def _run(self) -> None:
        code: int | None = None
        try:
            end = self._execute()
            code = end.code if end.code is None or end.code >= 0 else 128 - end.code  # as Docker has it
            stopped = ("UserInitiated", self._asked) if end.stopped else _EXITED
        except StartError as error:
            stopped = ("TaskFailedToStart", str(error))
        except Exception as error:  # nothing that goes wrong here may leave the task in RUNNING for ever
            log.exception("task %s", self.id)
            stopped = ("TaskFailedToStart", f"{type(error).__name__}: {error}")
        self._end(code, *stopped)

    def _execute(self) -> End:
        definition: TaskDefinition = self._backend.describe_task_definition(self.task_definition_arn)
        (container,) = definition.container_definitions
        (override,) = self.overrides.get("containerOverrides") or [{}]
        account, region = self._account_id, self.region_name
        roles = {
            "task": getattr(definition, "task_role_arn", None),
            "execution": getattr(definition, "execution_role_arn", None),
        }
        lines = ContainerLog(container, task=self.id, role=roles["execution"], account=account)
        words = [*entry_point(container["image"]), *(override.get("command") or container.get("command") or [])]
        process = Process(emit=lines.emit, grace_seconds=STOP_GRACE_SECONDS)
        with tempfile.TemporaryDirectory(prefix="ecs-") as folder:
            variables = environment(container, override, roles=roles, account=account, region=region, folder=folder)
            with self._lock:
                self._process = process
                if self._asked is not None:
                    process.stop()
            try:
                return process.run(words, folder=Path(folder), environment=variables, on_running=self._set_running)
            except OSError as error:
                raise StartError(f"CannotStartContainerError: {error}") from error

    def _set_running(self) -> None:
        with self._lock:
            self.started_at = utcnow()
            self._status = "RUNNING"
            self._tell_container("RUNNING")

    def _end(self, code: int | None, stop_code: str, reason: str | None) -> None:
        self._give_back_the_interface()
        with self._lock:
            self.desired_status, self.stop_code, self.stopped_reason = "STOPPED", stop_code, reason
            self.stopped_at = utcnow()
            self._tell_container("STOPPED")
            if code is not None:
                self.containers[0].exitCode = code
            self._status = "STOPPED"
        log.info("task %s: %s %s, exit code %s", self.task_arn, stop_code, reason, code)
        self._ended.set()

    def _tell_container(self, status: str) -> None:
        container = self.containers[0]
        container.last_status, container.task_arn, container.health_status = status, self.task_arn, "UNKNOWN"

    def _give_back_the_interface(self) -> None:
        """Fargate takes it away with the task: a subnet that still had one could not be deleted."""
        backend = ec2_backends[self._account_id][self.region_name]
        for attachment in self.attachments:
            attachment["status"] = "DELETED"
            for detail in attachment["details"]:
                if detail["name"] == "networkInterfaceId":
                    with contextlib.suppress(Exception):  # the network may have gone before
                        backend.delete_network_interface(detail["value"])


_EXITED = ("EssentialContainerExited", "Essential container in task exited")
