"""moto's Glue backend with jobs that run.

Hook: `glue_backends.backend`, the class that moto makes a region's backend from.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.core.utils import utcnow
from moto.glue.exceptions import AlreadyExistsException, ConcurrentRunsExceededException, InvalidInputException
from moto.glue.models import FakeConnection, GlueBackend, glue_backends

from localcloud.glue.jobs import Job, JobRun, check_runnable

# Members of CreateJob and of JobUpdate that moto keeps; a job with others would not be the one asked for.
_KEPT = frozenset(
    {
        "AllocatedCapacity",
        "CodeGenConfigurationNodes",
        "Command",
        "Connections",
        "DefaultArguments",
        "Description",
        "ExecutionClass",
        "ExecutionProperty",
        "GlueVersion",
        "LogUri",
        "MaxCapacity",
        "MaxRetries",
        "Name",
        "NonOverridableArguments",
        "NotificationProperty",
        "NumberOfWorkers",
        "Role",
        "SecurityConfiguration",
        "SourceControlDetails",
        "Tags",
        "Timeout",
        "WorkerType",
    }
)
# Members with one value that says nothing more than leaving them out.
_DEFAULTS = {"JobRunQueuingEnabled": (False, "false"), "JobMode": ("SCRIPT",)}


def use_as_backend() -> None:
    """Make moto use this backend. Call once, before the first request."""
    glue_backends.backend = Backend


def active_runs() -> list[JobRun]:
    """The runs of all accounts and regions that have not ended."""
    return [
        run
        for _, _, backend in list(glue_backends.iter_backends())
        for job in list(backend.jobs.values())
        for run in list(job.job_runs)
        if run.active
    ]


class Backend(GlueBackend):
    """Glue in one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # Held between counting the runs and adding one.
        self._starting = threading.Lock()

    @property
    def _url_module(self) -> Any:  # type: ignore[misc]
        from localcloud.glue import urls

        return urls

    def check_job(self, name: str, settings: dict[str, Any]) -> None:
        """Raise AlreadyExistsException or InvalidInputException for a job that cannot be made here."""
        if name in self.jobs:
            raise AlreadyExistsException(f"Job {name}")
        _check_settings("CreateJob", settings)

    def create_job(self, name: str, **settings: Any) -> None:  # type: ignore[override]
        check_runnable("CreateJob", settings["command"], settings["default_arguments"])
        self.jobs[name] = Job(name, **settings, backend=self)

    def update_connection(self, name: str, connection_input: dict[str, Any]) -> None:
        """Raises EntityNotFoundException."""
        old = self.get_connection(self.account_id, name, "")
        new = FakeConnection(self, old.catalog_id, {**connection_input, "Name": name}, {})
        new.created_time = old.created_time
        self.connections[name] = new

    def delete_connection(self, name: str) -> None:
        """Raises EntityNotFoundException."""
        self.get_connection(self.account_id, name, "")
        del self.connections[name]

    def update_job(self, name: str, update: dict[str, Any]) -> None:
        """Give the job the settings of `update`, and the defaults for all others, as Glue does.

        Raises EntityNotFoundException and InvalidInputException.
        """
        old = self.get_job(name)
        _check_settings("UpdateJob", update)
        check_runnable("UpdateJob", update.get("Command") or {}, update.get("DefaultArguments"))
        new = Job(
            name,
            role=update.get("Role"),
            command=update.get("Command"),
            description=update.get("Description"),
            log_uri=update.get("LogUri"),
            execution_property=update.get("ExecutionProperty"),
            default_arguments=update.get("DefaultArguments"),
            non_overridable_arguments=update.get("NonOverridableArguments"),
            connections=update.get("Connections"),
            max_retries=update.get("MaxRetries"),
            allocated_capacity=update.get("AllocatedCapacity"),
            timeout=update.get("Timeout"),
            max_capacity=update.get("MaxCapacity"),
            security_configuration=update.get("SecurityConfiguration"),
            tags=self.get_tags(old.arn),
            notification_property=update.get("NotificationProperty"),
            glue_version=update.get("GlueVersion"),
            number_of_workers=update.get("NumberOfWorkers"),
            worker_type=update.get("WorkerType"),
            code_gen_configuration_nodes=update.get("CodeGenConfigurationNodes"),
            execution_class=update.get("ExecutionClass"),
            source_control_details=update.get("SourceControlDetails"),
            backend=self,
        )
        new.created_on, new.last_modified_on, new.job_runs = old.created_on, utcnow(), old.job_runs
        self.jobs[name] = new

    def start_job_run(self, name: str, *settings: Any) -> str:  # type: ignore[override]
        names = (
            "arguments",
            "allocated_capacity",
            "max_capacity",
            "timeout",
            "worker_type",
            "security_configuration",
            "number_of_workers",
            "notification_property",
            "previous_run_id",
        )
        given = dict(zip(names, settings, strict=True))
        job = self.get_job(name)
        assert isinstance(job, Job)
        with self._starting:
            active = sum(run.active for run in job.job_runs)
            limit = int(job.execution_property.get("MaxConcurrentRuns") or 1)
            if active >= limit:
                raise ConcurrentRunsExceededException(
                    f"Concurrent runs exceeded for {name}: {active} of {limit} are active"
                )
            run = job.new_run(given)
        run.start()
        return run.job_run_id


def _check_settings(operation: str, settings: dict[str, Any]) -> None:
    unknown = sorted(
        member
        for member, value in settings.items()
        if member not in _KEPT and value is not None and value not in _DEFAULTS.get(member, ())
    )
    if unknown:
        raise InvalidInputException(operation, f"The local cloud does not support the setting {', '.join(unknown)}")
