"""Jobs, and their runs: STARTING, RUNNING, and then SUCCEEDED, FAILED, TIMEOUT or (over STOPPING) STOPPED."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from typing import Any

from moto.core.utils import utcnow
from moto.glue.exceptions import InvalidInputException, JobRunNotFoundException
from moto.glue.models import FakeJob

from localcloud.events import glue_run_ended
from localcloud.glue.execution import Attempt, Execution, Outcome
from localcloud.glue.logs import RunLog

log = logging.getLogger(__name__)

# Kind of job -> the log group that its streams are under.
LOG_GROUPS = {"glueetl": "/aws-glue/jobs", "pythonshell": "/aws-glue/python-jobs"}
DEFAULT_TIMEOUT_MINUTES = 480
ACTIVE_STATES = frozenset({"STARTING", "RUNNING", "STOPPING"})


def check_runnable(operation: str, command: dict[str, Any], arguments: dict[str, str] | None) -> None:
    """Raise InvalidInputException for a job that is no Python script."""
    kind = command.get("Name")
    if kind not in LOG_GROUPS:
        raise InvalidInputException(
            operation, f"The local cloud runs {' and '.join(LOG_GROUPS)} jobs, not {kind}: change Command.Name"
        )
    if not str(command.get("ScriptLocation", "")).startswith("s3://"):
        raise InvalidInputException(operation, "Command.ScriptLocation must be an s3:// URI")
    if (arguments or {}).get("--job-language", "python").lower() != "python":
        raise InvalidInputException(operation, "The local cloud runs Python scripts only: change --job-language")


class Job(FakeJob):
    """A job as moto keeps it, with runs that run."""

    job_runs: list[JobRun]  # type: ignore[assignment]
    backend: Any

    def new_run(self, given: dict[str, Any]) -> JobRun:
        """A run that has not started, with the settings of StartJobRun over those of the job."""
        arguments = {**self.default_arguments, **(given["arguments"] or {}), **(self.non_overridable_arguments or {})}
        check_runnable("StartJobRun", self.command, arguments)
        run = JobRun(
            self,
            arguments=arguments,
            timeout=given["timeout"] or self.timeout or DEFAULT_TIMEOUT_MINUTES,
            settings={
                "AllocatedCapacity": given["allocated_capacity"] or self.allocated_capacity,
                "MaxCapacity": given["max_capacity"] or self.max_capacity,
                "NumberOfWorkers": given["number_of_workers"] or self.number_of_workers,
                "WorkerType": given["worker_type"] or self.worker_type,
                "SecurityConfiguration": given["security_configuration"] or self.security_configuration,
                "NotificationProperty": given["notification_property"] or self.notification_property,
                "PreviousRunId": given["previous_run_id"],
            },
        )
        self.job_runs.append(run)
        return run

    def get_job_run(self, run_id: str) -> JobRun:  # type: ignore[override]
        for run in self.job_runs:
            if run.job_run_id == run_id:
                return run
        raise JobRunNotFoundException(run_id)

    def get_job_runs(self) -> list[JobRun]:  # type: ignore[override]
        """Newest first, as Glue lists them."""
        return list(reversed(self.job_runs))


class JobRun:
    """One attempt of a run. A failed one is followed by another, as often as the job's MaxRetries says."""

    def __init__(
        self, job: Job, *, arguments: dict[str, str], timeout: int, settings: dict[str, Any], retries: int = 0
    ) -> None:
        self.job = job
        self.job_run_id = f"jr_{secrets.token_hex(32)}"
        self.arguments = arguments
        self.timeout = int(timeout)
        self.settings = settings
        self.attempt = retries
        self.predecessors: list[dict[str, str]] = []
        self.state = "STARTING"
        self.error: str | None = None
        self.started_on = self.modified_on = utcnow()
        self.completed_on: Any = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._execution: Execution | None = None

    @property
    def active(self) -> bool:
        """Whether it counts against MaxConcurrentRuns."""
        return self.state in ACTIVE_STATES

    @property
    def log_group(self) -> str:
        """The group above `/output` and `/error`."""
        return self.arguments.get("--custom-logGroup-prefix") or LOG_GROUPS[self.job.command["Name"]]

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self._run, name=self.job_run_id[:12], daemon=True).start()

    def request_stop(self) -> None:
        """Ask the run to stop; raises RuntimeError if it has ended."""
        if not self.active:
            raise RuntimeError(f"Job run {self.job_run_id} is {self.state} and cannot be stopped")
        self.stop()

    def stop(self) -> None:
        """The same, and nothing for a run that has ended."""
        with self._lock:
            if not self.active:
                return
            self._enter("STOPPING")
            if self._execution:
                self._execution.stop()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than `seconds`."""
        self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            outcome = self._execute()
        except Exception as error:  # nothing that goes wrong here may leave the run in RUNNING for ever
            log.exception("run %s", self.job_run_id)
            outcome = Outcome("FAILED", f"{type(error).__name__}: {error}")
        self._end(outcome)

    def _execute(self) -> Outcome:
        job = self.job
        log_streams = RunLog(
            job.backend.account_id, job.backend.region_name, self.log_group, self.job_run_id, role=job.role
        )
        attempt = Attempt(
            job_name=job.name,
            run_id=self.job_run_id,
            script=job.command["ScriptLocation"],
            arguments=self.arguments,
            role=job.role,
            account=job.backend.account_id,
            region=job.backend.region_name,
            timeout_seconds=self.timeout * _seconds_a_minute(),
        )
        execution = Execution(attempt, emit=log_streams.emit)
        with self._lock:
            self._execution = execution
            if self.state == "STOPPING":
                execution.stop()
        return execution.run(on_running=self._set_if_starting)

    def _set_if_starting(self) -> None:
        with self._lock:
            if self.state == "STARTING":
                self._enter("RUNNING")

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            self.error = outcome.message
            self.completed_on = utcnow()
            self._enter(outcome.state)
        log.info("job %s run %s: %s %s", self.job.name, self.job_run_id, outcome.state, outcome.message or "")
        if outcome.state == "FAILED" and self.attempt < int(self.job.max_retries or 0):
            self._retry()
        self._ended.set()
        backend = self.job.backend
        glue_run_ended(
            backend.account_id,
            backend.region_name,
            job=self.job.name,
            run=self.job_run_id,
            state=outcome.state,
            message=outcome.message,
        )

    def _retry(self) -> None:
        following = JobRun(
            self.job,
            arguments=self.arguments,
            timeout=self.timeout,
            settings=self.settings,
            retries=self.attempt + 1,
        )
        following.job_run_id = f"{self.job_run_id.split('_attempt_')[0]}_attempt_{following.attempt}"
        following.predecessors = [{"JobName": self.job.name, "RunId": self.job_run_id}]
        self.job.job_runs.append(following)
        following.start()

    def _enter(self, state: str) -> None:
        self.state = state
        self.modified_on = utcnow()

    def as_dict(self) -> dict[str, Any]:
        """The `JobRun` of GetJobRun."""
        until = self.completed_on or utcnow()
        description = {
            "Id": self.job_run_id,
            "Attempt": self.attempt,
            "JobName": self.job.name,
            "StartedOn": self.started_on,
            "LastModifiedOn": self.modified_on,
            "CompletedOn": self.completed_on,
            "JobRunState": self.state,
            "ErrorMessage": self.error,
            "Arguments": self.arguments,
            "PredecessorRuns": self.predecessors,
            "ExecutionTime": int((until - self.started_on).total_seconds()),
            "Timeout": self.timeout,
            "LogGroupName": self.log_group,
            "GlueVersion": self.job.glue_version,
            **self.settings,
        }
        return {name: value for name, value in description.items() if value is not None}


def _seconds_a_minute() -> float:
    """60, unless a test has no patience for a Timeout, which Glue counts in minutes."""
    return float(os.environ.get("LOCALCLOUD_GLUE_SECONDS_A_MINUTE", "60"))
