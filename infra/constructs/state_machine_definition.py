"""The pipeline of one source in the Amazon States Language, with JSONata.

The same graph as the DAG ``ingest_{source}``, over the same jobs with the same arguments: extract → refine → load for
each stream side by side, the audit when all of them are over, then dbt if every stream was loaded. A failed stream
stops nothing but itself, and fails the execution at its end.

A step is a ``Parallel`` of one branch around a task, of Glue or for dbt of ECS. A task's own ``Retry`` goes by the
error's name, which is ``States.TaskFailed`` whatever happened; the branch ends with ``TRANSIENT`` or ``TERMINAL``
instead, as the job's message does and as dbt's exit code says, and the step retries the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.constructs.state_machine_schedule import Rhythm
from ingot.naming import STEPS, Names

State = dict[str, Any]

RETRIES = 2
LONGEST_DELAY_SECONDS = 900

# Everything that the jobs are told about time, once for all of them: a retry is the same batch.
_RUN = """{{% (
  $in := $states.input;
  $stamp := function($t) {{ $fromMillis($t, '[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01]Z') }};
  $due := $toMillis($exists($in.scheduled_time) ? $in.scheduled_time : $states.context.Execution.StartTime);
  $last := $floor(($due - {offset}) / {period}) * {period} + {offset};
  $landed := $exists($in.landed);
  {{
    'interval_start': $exists($in.interval_start) ? $in.interval_start : $stamp($landed ? $last : $last - {period}),
    'interval_end': $exists($in.interval_end) ? $in.interval_end
      : $stamp($landed ? $max([$due, $last + 1000]) : $last),
    'as_of': $exists($in.as_of) ? $in.as_of : $stamp($due)
  }}
) %}}"""

_HALF = "{% $exists($states.input.interval_start) != $exists($states.input.interval_end) %}"

# A failed task's cause is the job run, or the task of ECS, as JSON; one that could not be started has a text; one that
# was stopped by hand is the run itself.
_FAILED = "$failed := $states.input; $run := $failed.Error = 'States.TaskFailed' ? $parse($failed.Cause) : $failed; "
_FAILURE = _FAILED + (
    "$reason := $exists($run.ErrorMessage) ? $run.ErrorMessage : $exists($run.Cause) ? $run.Cause "
    ": 'the job gave no reason'; "
)
# dbt's exit code 1 is a model that does not run or a test that does not hold; 2 is all else. As dags/ingot_dbt.py.
_DBT_ERROR = (
    "{% (" + _FAILED + "$failed.Error in ['ECS.AccessDeniedException', 'ECS.ClientException', "
    "'ECS.ClusterNotFoundException', 'ECS.InvalidParameterException'] or $run.Containers[0].ExitCode = 1 "
    "? 'TERMINAL' : 'TRANSIENT') %}"
)
# No second try finds another job, another role or other arguments.
_FINAL = "['Glue.EntityNotFoundException', 'Glue.AccessDeniedException', 'Glue.InvalidInputException']"
_ERROR = (
    "{% (" + _FAILURE + "$verdict := $match($reason, /\\b(TRANSIENT|TERMINAL) [\\w.]+: /)[0].groups[0]; "
    f"$verdict = 'TERMINAL' or $failed.Error in {_FINAL} ? 'TERMINAL' : 'TRANSIENT') %}}"
)


@dataclass(frozen=True, kw_only=True)
class Transform:
    """dbt's task.

    Attributes:
        arguments: what ``ecs:runTask`` is told.
        timeout_seconds: when a task that has not ended is stopped.
        log_group: where its lines are.
    """

    arguments: State
    timeout_seconds: int
    log_group: str


def definition(
    *,
    names: Names,
    source: str,
    streams: Sequence[str],
    rhythm: Rhythm,
    retry_seconds: int,
    dbt: Transform | None = None,
    lineage: bool = False,
) -> State:
    """The state machine of a source.

    Its input is an object of which all members may be left out: ``interval_start`` and ``interval_end``, both or
    neither; ``as_of``, the time that the run stands for; ``scheduled_time``, which EventBridge gives. Without an
    interval it takes the last whole one of the schedule, and without a time its own start. Or it is an array of what
    landed (``[{"landed": true}]``): then the interval is what has passed of the one that runs, to the second, so that
    the batch is a new one and no try of one that took what landed before.

    Args:
        names: of the deployment.
        source: its name.
        streams: their names.
        rhythm: of the source's schedule.
        retry_seconds: before a second try of a step; twice as many before a third.
        dbt: the task that runs dbt; None: nothing is transformed.
        lineage: whether jobs report what they read and wrote: they are told which execution they are a part of.
    """

    def step(step: str, stream: str | None = None) -> State:
        given = ["interval_start", "interval_end", *(["as_of"] if stream else [])]
        arguments = {"--source": source, **({"--stream": stream} if stream else {})}
        arguments |= {f"--{name}": f"{{% $run.{name} %}}" for name in given}
        if lineage and stream:
            execution = "$states.context.StateMachine.Name & '/' & $states.context.Execution.Name"
            arguments["--lineage_parent"] = f"{{% 'ingot-{names.environment}/' & {execution} %}}"
        return _step(step, names.job(source, step), arguments, retry_seconds)

    *batch_steps, audit = STEPS
    transform: dict[str, State] = {}
    if dbt is not None:
        transform = {
            "all loaded?": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $count($failures[$exists(stream)]) = 0 %}", "Next": "dbt"}],
                "Default": "all well?",
            },
            "dbt": {**_dbt(dbt, retry_seconds), "Catch": [_noted("dbt", "all well?")], "Next": "all well?"},
        }
    after_audit = next(iter(transform), "all well?")
    return {
        "Comment": f"Ingest {source}: the same jobs as Airflow's DAG ingest_{source}",
        "QueryLanguage": "JSONata",
        "StartAt": "one end?",
        "States": {
            "one end?": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": _HALF,
                        "Next": "half an interval",
                    }
                ],
                "Default": "interval",
            },
            "half an interval": {
                "Type": "Fail",
                "Error": "TERMINAL",
                "Cause": "Give both interval_start and interval_end, or neither.",
            },
            "interval": {
                "Type": "Pass",
                "Assign": {"run": _RUN.format(period=rhythm.period, offset=rhythm.offset)},
                "Next": "streams",
            },
            "streams": {
                "Type": "Map",
                "Items": list(streams),
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": batch_steps[0],
                    "States": {
                        **{
                            name: {
                                **step(name, "{% $states.input %}"),
                                "Catch": [
                                    {
                                        "ErrorEquals": ["States.ALL"],
                                        "Output": "{% {'stream': $states.input, "
                                        f"'step': '{name}', 'reason': $states.errorOutput.Cause}} %}}",
                                        "Next": "stream failed",
                                    }
                                ],
                                "Output": "{% $states.input %}",
                                "Next": following,
                            }
                            for name, following in zip(batch_steps, [*batch_steps[1:], "stream loaded"], strict=True)
                        },
                        "stream loaded": {"Type": "Pass", "Output": {"stream": "{% $states.input %}"}, "End": True},
                        "stream failed": {"Type": "Pass", "End": True},
                    },
                },
                "Assign": {"failures": "{% [$states.result[$exists(reason)]] %}"},
                "Next": audit,
            },
            audit: {
                **step(audit),
                "Catch": [_noted(audit, after_audit)],
                "Next": after_audit,
            },
            **transform,
            "all well?": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $count($failures) = 0 %}", "Next": "complete"}],
                "Default": "incomplete",
            },
            "complete": {"Type": "Succeed", "Output": "{% $run %}"},
            "incomplete": {
                "Type": "Fail",
                "Error": "PipelineFailed",
                "Cause": "{% $join($failures.(($exists(stream) ? stream & ' ' : '') & step & ': ' & reason), ' | ') %}",
            },
        },
    }


def _noted(step: str, following: str) -> State:
    """A catcher that remembers a failure and goes on."""
    failure = f"{{'step': '{step}', 'reason': $states.errorOutput.Cause}}"
    return {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"failures": f"{{% $append($failures, [{failure}]) %}}"},
        "Next": following,
    }


def _step(step: str, job: str, arguments: dict[str, str], retry_seconds: int) -> State:
    """One job run, tried again while its failure is transient; the error's cause is the job's reason."""
    return _tried(
        step,
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::glue:startJobRun.sync",
            "Arguments": {"JobName": job, "Arguments": arguments},
        },
        # That a run was stopped by hand is an end like any for Step Functions; it is no success.
        success="{% $states.input.JobRunState = 'SUCCEEDED' %}",
        error=_ERROR,
        cause="{% ("
        + _FAILURE
        + f"'Glue job {job} ' & ($exists($run.JobRunState) ? $run.JobRunState : $failed.Error) "
        + "& ': ' & $reason & ($exists($run.Id) ? ' (run ' & $run.Id & ')' : '')) %}",
        retry_seconds=retry_seconds,
    )


def _dbt(dbt: Transform, retry_seconds: int) -> State:
    """One run of dbt's task; what is wrong is in its log, which the error's cause names."""
    return _tried(
        "dbt",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::ecs:runTask.sync",
            "Arguments": dbt.arguments,
            "TimeoutSeconds": dbt.timeout_seconds,
        },
        success="{% $states.input.Containers[0].ExitCode = 0 %}",
        error=_DBT_ERROR,
        cause="{% ("
        + _FAILED
        + "$code := $run.Containers[0].ExitCode; "
        + "'dbt ' & ($exists($code) ? 'ended with exit code ' & $string($code) : 'did not end: ' & "
        + "($run.StoppedReason ? $run.StoppedReason : $run.Cause ? $run.Cause : $failed.Error)) & "
        + f"($exists($run.TaskArn) ? ' (log {dbt.log_group}, task ' & $split($run.TaskArn, '/')[2] & ')' : '')) %}}",
        retry_seconds=retry_seconds,
    )


def _tried(step: str, task: State, *, success: str, error: str, cause: str, retry_seconds: int) -> State:
    """A task, tried again while its failure is transient.

    Args:
        step: names its states.
        task: waits for the end of what it starts.
        success: whether what ended did what it should.
        error: ``TRANSIENT`` or ``TERMINAL``, of a failure.
        cause: what a person is told of it.
        retry_seconds: before the second try.
    """
    run, ended, done, failed = f"run {step}", f"{step} ended", f"{step} done", f"{step} failed"
    return {
        "Type": "Parallel",
        "Branches": [
            {
                "StartAt": run,
                "States": {
                    run: {**task, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": failed}], "Next": ended},
                    ended: {
                        "Type": "Choice",
                        "Choices": [{"Condition": success, "Next": done}],
                        "Default": failed,
                    },
                    done: {"Type": "Succeed"},
                    failed: {"Type": "Fail", "Error": error, "Cause": cause},
                },
            }
        ],
        "Retry": [
            {
                "ErrorEquals": ["TRANSIENT"],
                "IntervalSeconds": retry_seconds,
                "MaxAttempts": RETRIES,
                "BackoffRate": 2,
                "MaxDelaySeconds": LONGEST_DELAY_SECONDS,
            }
        ],
    }
