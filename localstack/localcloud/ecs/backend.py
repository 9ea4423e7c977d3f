"""moto's ECS backend with tasks that run.

Hooks: `moto.ecs.models.Task`, and of `EC2ContainerServiceBackend`: `run_task`, `stop_task`, and
`_calculate_task_resource_requirements`, which fails for a container without a memory limit of its own, and is of use
for container instances only.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ecs import models
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends

from localcloud.ecs.tasks import RunningTask

_OVERRIDES = frozenset({"name", "command", "environment"})


def install() -> None:
    """Hook into moto. Call once."""
    models.Task = RunningTask  # type: ignore[misc]
    keeping = EC2ContainerServiceBackend.run_task

    @functools.wraps(keeping)
    def run_task(self: EC2ContainerServiceBackend, cluster: str, definition: str, *more: Any, **named: Any) -> Any:
        given = dict(zip(("count", "overrides", "started_by", "tags", "launch_type"), more, strict=False)) | named
        _check_runnable(self, cluster, definition, given)
        tasks: list[RunningTask] = keeping(self, cluster, definition, *more, **named)  # type: ignore[assignment]
        for task in tasks:
            task.start()
        return tasks

    def stop_task(self: EC2ContainerServiceBackend, cluster_str: str, task_str: str, reason: str | None) -> Any:
        cluster = self._get_cluster(cluster_str)
        for arn, task in self.tasks.get(cluster.name, {}).items():
            if arn.rpartition("/")[2] == task_str.rpartition("/")[2]:
                task.stop(reason or "Task stopped by user")
                return task
        raise InvalidParameterException("The referenced task was not found.")

    def requirements(definition: Any) -> dict[str, Any]:
        return {}

    EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(requirements)  # type: ignore[method-assign]
    EC2ContainerServiceBackend.run_task = run_task  # type: ignore[method-assign]
    EC2ContainerServiceBackend.stop_task = stop_task  # type: ignore[method-assign]


def active_tasks() -> list[RunningTask]:
    """The tasks of all accounts and regions that have not ended."""
    return [
        task
        for _, _, backend in list(ecs_backends.iter_backends())
        for tasks in list(backend.tasks.values())
        for task in list(tasks.values())
        if task.active
    ]


def _check_runnable(backend: EC2ContainerServiceBackend, cluster: str, definition: str, given: dict[str, Any]) -> None:
    """Raise InvalidParameterException for what would not run here as it would in an account."""
    if backend._get_cluster(cluster).status != "ACTIVE":
        raise InvalidParameterException("Cluster is inactive.")
    found = backend.describe_task_definition(definition)
    if found.status != "ACTIVE":
        raise InvalidParameterException(f"TaskDefinition {found.family}:{found.revision} is inactive")
    if given.get("launch_type") != "FARGATE":
        raise InvalidParameterException("The local cloud runs tasks of launch type FARGATE only")
    if len(found.container_definitions) != 1:
        raise InvalidParameterException("The local cloud runs tasks of one container only")
    if "entryPoint" in found.container_definitions[0]:
        raise InvalidParameterException("The local cloud has no image that another entryPoint could be found in")
    overrides = given.get("overrides") or {}
    containers = overrides.get("containerOverrides") or []
    unknown = (set(overrides) - {"containerOverrides"}) | {name for one in containers for name in set(one) - _OVERRIDES}
    if unknown:
        raise InvalidParameterException(f"The local cloud cannot override {', '.join(sorted(unknown))}")
    if [one.get("name") for one in containers] not in ([], [found.container_definitions[0]["name"]]):
        raise InvalidParameterException("Override for container that is not in the task definition")
