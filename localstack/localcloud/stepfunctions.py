"""Step Functions: executions that are executed, by moto's engine, under the state machine's own role.

moto has a whole engine (LocalStack's, of before its licence changed) and keeps it switched off. Hooks, each for a
thing that the engine does not do or does wrong:

- `default_user_config` switches it on;
- `_eval_jsonata`: the engine composes JSONata and has nothing to evaluate it. `jsonata-python` does: a port, without
  dependencies, of the Java library that the engine was written for;
- `StateTaskServiceGlue`: `glue:startJobRun.sync` ends in an AttributeError, since the engine interrupts a callback
  that only `.waitForTaskToken` has, and its result holds datetimes, which are no JSON. Ours has neither fault, asks
  with temporary keys of the state machine's role, and knows the states in which Glue ends a run besides moto's;
- `StepFunctionsParserBackend.start_execution`: a second execution without a name is refused, as its name, None, is
  taken. AWS draws one.

Not emulated: logging and tracing (kept and described, and nothing is written), express workflows, redrive.
"""

from __future__ import annotations

import json
import logging
import uuid
from functools import cache
from threading import Lock
from typing import Any

from localcloud.clients import client_as
from localcloud.roles import assume

PRINCIPAL = "states.amazonaws.com"

_hooking = Lock()


def install() -> None:
    """Hook into moto. Call once. The engine itself takes a second to import: the first request does."""
    from moto.core.config import default_user_config
    from moto.stepfunctions import responses

    # It writes every state that fails, in full, as an error of its own.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    responses.get_backend = _backend


def _backend(account: str, region: str) -> Any:
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    with _hooking:
        _hook_engine()
    return stepfunctions_parser_backends[account][region]


@cache
def _hook_engine() -> None:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_factory
    from moto.stepfunctions.parser.asl.jsonata import jsonata
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    jsonata._eval_jsonata = evaluate
    state_task_service_factory.StateTaskServiceGlue = _glue_task()  # type: ignore[misc]
    state_task_service_factory.StateTaskServiceEcs = _ecs_task()  # type: ignore[misc]
    StepFunctionsParserBackend.start_execution = _named(  # type: ignore[method-assign]
        StepFunctionsParserBackend.start_execution
    )


def evaluate(expression: str) -> Any:
    """The value of a JSONata expression, None for one that has none.

    Raises JSONataException for an expression that is wrong, or that fails.
    """
    from jsonata import JException, Jsonata
    from moto.stepfunctions.parser.asl.jsonata.jsonata import JSONataException

    try:
        return Jsonata(expression).evaluate(None)
    except JException as error:
        raise JSONataException("UNKNOWN", str(error)) from error


def _named(start_execution: Any) -> Any:
    def start(self: Any, state_machine_arn: str, name: str | None = None, *arguments: Any, **more: Any) -> Any:
        return start_execution(self, state_machine_arn, name or str(uuid.uuid4()), *arguments, **more)

    return start


def _glue_task() -> type:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_glue as moto_glue,
    )
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

    # What Glue says of a run that ended: https://docs.aws.amazon.com/glue/latest/webapi/API_JobRun.html
    abnormal = {"FAILED", "TIMEOUT", "ERROR", "EXPIRED"}
    moto_glue._JOB_RUN_STATE_ABNORMAL_TERMINAL_VALUE.update(abnormal)
    moto_glue._JOB_RUN_STATE_TERMINAL_VALUES.update(abnormal)

    class GlueTask(moto_glue.StateTaskServiceGlue):
        def _eval_integration_pattern(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
        ) -> None:
            resolver = self._build_sync_resolver(env, resource_runtime_part, normalised_parameters, state_credentials)
            run = self._eval_sync(env, resolver, None, None, None)
            env.stack.append(json.loads(to_json_str(run)))

        @staticmethod
        def _get_glue_client(resource_runtime_part: Any, state_credentials: Any) -> Any:
            return _acting_as(state_credentials.role_arn, "glue", resource_runtime_part.region)

    return GlueTask


def _ecs_task() -> type:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_ecs
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

    class EcsTask(state_task_service_ecs.StateTaskServiceEcs):
        def _eval_service_task(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
        ) -> None:
            if self.resource.condition != ResourceCondition.Sync or self.resource.api_action.lower() != "runtask":
                raise RuntimeError("The local cloud runs ecs:runTask.sync, and no other integration of ECS")
            ecs = _acting_as(state_credentials.role_arn, "ecs", resource_runtime_part.region)
            model = ecs.meta.service_model.operation_model("RunTask")
            self._to_boto_request(normalised_parameters, model.input_shape)
            answer = ecs.run_task(**normalised_parameters)
            self._from_boto_response(answer, model.output_shape)
            env.stack.append({name: answer[name] for name in ("Tasks", "Failures")})

        def _eval_integration_pattern(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
        ) -> None:
            ecs = _acting_as(state_credentials.role_arn, "ecs", resource_runtime_part.region)
            (task,) = env.stack.pop()["Tasks"]
            place = {"cluster": task["ClusterArn"]}

            def ended() -> Any:
                answer = ecs.describe_tasks(tasks=[task["TaskArn"]], **place)
                if answer["tasks"][0]["lastStatus"] != "STOPPED":
                    return None
                self._from_boto_response(answer, ecs.meta.service_model.operation_model("DescribeTasks").output_shape)
                return answer["Tasks"][0]

            found = self._eval_sync(env, ended, None, None, None)
            if found is None:  # its time is over, or the execution was stopped
                ecs.stop_task(task=task["TaskArn"], reason="Stopped by Step Functions", **place)
                return
            found = json.loads(to_json_str(found))
            # As AWS does, which fails the state for a container's exit code, and for a task that did not start.
            if any(container.get("ExitCode") != 0 for container in found["Containers"]):
                raise _task_failed(self, env, json.dumps(found))
            env.stack.append(found)

    return EcsTask


def _task_failed(task: Any, env: Any, cause: str) -> Exception:
    """The `States.TaskFailed` of a task, to be raised."""
    from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
        FailureEvent,
        FailureEventException,
    )
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    kind = StatesErrorNameType.StatesTaskFailed
    details = TaskFailedEventDetails(
        resource=task._get_sfn_resource(),
        resourceType=task._get_sfn_resource_type(),
        error=kind.to_name(),
        cause=cause,
    )
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )
    )


def _acting_as(role: str, service: str, region: str) -> Any:
    """A client with temporary keys of the role; raises RoleError if Step Functions could not assume it in AWS."""
    account = role.split(":")[4]
    return client_as(assume(role, PRINCIPAL, account=account, region=region, session="StepFunctions"), service, region)
