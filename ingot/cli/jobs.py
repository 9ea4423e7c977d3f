"""Runs of deployed Glue jobs: started, waited for, and tried again where that can help, as the DAGs do it.

The CLI writes nothing with the rights of the person who calls it: the jobs have the roles, the network and the
present contracts, on a laptop as in an account.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingot.batch import Batch
from ingot.cli.options import INTERRUPTED
from ingot.errors import ConfigurationError, TransientError
from ingot.naming import Names

TRIES = 3
_OVER = {"SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED"}
_VERDICT = re.compile(r"\b(TRANSIENT|TERMINAL) ([\w.]+: .*)", re.DOTALL)
_LATER = {"ThrottlingException", "Throttling", "RequestLimitExceeded", "OperationTimeoutException"}
_FIRST_LOOK, _LAST_LOOK, _PATIENCE = 0.25, 15.0, 1.2  # seconds between two looks, and how they grow


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run of a job, with the arguments that its defaults lack."""

    job: str
    arguments: Mapping[str, str]


def batch_step(names: Names, batch: Batch, step: str, as_of: datetime) -> Step:
    """One step of a batch."""
    arguments = {
        "--source": batch.source,
        "--stream": batch.stream,
        "--interval_start": iso(batch.interval_start),
        "--interval_end": iso(batch.interval_end),
        "--as_of": iso(as_of),
    }
    if batch.resolves:
        arguments["--resolves"] = batch.resolves
    return Step(job=names.job(batch.source, step), arguments=arguments)


def audit_chain(names: Names, source: str, start: datetime, end: datetime) -> Chain:
    """The audit of a source, after steps of an interval that are over."""
    arguments = {"--interval_start": iso(start), "--interval_end": iso(end)}
    return Chain(label=source, steps=[Step(job=names.job(source, "audit"), arguments=arguments)])


def iso(moment: datetime) -> str:
    """``2020-01-01T00:00:00Z``: what every job argument that is a time looks like."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Steps one after the other; the first that fails ends it.

    Attributes:
        label: what they are about, for the lines of progress; no other chain of the same call has it.
    """

    label: str
    steps: Sequence[Step]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a chain ended; ``reason`` is why it failed, None if it did not."""

    label: str
    reason: str | None


@dataclass
class _Running:
    """A chain on its way: at one step, in a run or waiting for the time to start one."""

    chain: Chain
    step: int = 0
    tries: int = 0
    run_id: str | None = None
    began: float = 0.0
    pause: float = _FIRST_LOOK
    due: float = field(default_factory=time.monotonic)

    @property
    def current(self) -> Step:
        return self.chain.steps[self.step]

    def wait(self, seconds: float) -> None:
        self.due = time.monotonic() + seconds


_Say = Callable[[_Running, str], None]


def on_stderr(line: str) -> None:
    """Where the command line tells its progress."""
    typer.echo(line, err=True)


def run(
    chains: Iterable[Chain],
    *,
    at_once: int = 1,
    retry_seconds: float = 5.0,
    tell: Callable[[str], None] = on_stderr,
) -> list[Outcome]:
    """Run chains of jobs, some at once, each to its end; the outcomes in the order of the chains.

    A chain that fails does not stop the others. Ctrl-C ends the waiting and not the jobs.

    Args:
        at_once: how many chains run side by side.
        retry_seconds: before a second try of a step; before a third twice as much.
        tell: gets the lines of progress.

    Raises:
        ConfigurationError: a job is not deployed, or the person may not start it.
        typer.Exit: the person stopped it.
    """
    glue: Any = boto3.client("glue", config=Config(retries={"mode": "standard", "max_attempts": 5}))
    queue = deque(chains)
    order = [chain.label for chain in queue]
    running: list[_Running] = []
    ended: dict[str, Outcome] = {}

    def say(each: _Running, what: str) -> None:
        tell(f"{each.chain.label}: {each.current.job} {what}")

    with _saying_what_goes_on(running, say):
        while queue or running:
            while queue and len(running) < at_once:
                running.append(_Running(queue.popleft()))
            time.sleep(max(0.0, min(each.due for each in running) - time.monotonic()))
            for each in [r for r in running if r.due <= time.monotonic()]:
                outcome = _advance(glue, each, retry_seconds, say)
                if outcome is not None:
                    ended[outcome.label] = outcome
                    running.remove(each)
    return [ended[label] for label in order]


def _advance(glue: Any, each: _Running, retry_seconds: float, say: _Say) -> Outcome | None:
    """Do what is due for a chain; its outcome if that was the last."""
    if each.run_id is None:
        _start(glue, each, say)
        return None
    with _answers(each.current.job):
        found = glue.get_job_run(JobName=each.current.job, RunId=each.run_id)["JobRun"]
    state = found["JobRunState"]
    if state not in _OVER:
        each.pause = min(each.pause * _PATIENCE, _LAST_LOOK)
        each.wait(each.pause)
        return None
    if state == "SUCCEEDED":
        say(each, f"done in {time.monotonic() - each.began:.0f} s")
        each.step, each.tries, each.run_id = each.step + 1, 0, None
        return Outcome(label=each.chain.label, reason=None) if each.step == len(each.chain.steps) else None
    verdict, reason = read_reason(str(found.get("ErrorMessage") or f"{state}; its log says more"))
    if verdict == "TRANSIENT" and state != "STOPPED" and each.tries < TRIES:
        pause = retry_seconds * 2 ** (each.tries - 1)
        say(each, f"{state}, and is tried again in {pause:g} s: {reason}")
        each.run_id = None
        each.wait(pause)
        return None
    say(each, f"{state}: {reason}")
    return Outcome(label=each.chain.label, reason=f"{each.current.job} {state}: {reason} (run {each.run_id})")


def _start(glue: Any, each: _Running, say: _Say) -> None:
    step = each.current
    try:
        with _answers(step.job):
            answer = glue.start_job_run(JobName=step.job, Arguments=dict(step.arguments))
    except glue.exceptions.ConcurrentRunsExceededException:
        say(each, "waits: as many of its runs as the job allows are going on")
        each.wait(_LAST_LOOK)
        return
    each.run_id, each.tries, each.began, each.pause = answer["JobRunId"], each.tries + 1, time.monotonic(), _FIRST_LOOK
    each.wait(each.pause)
    say(each, "started")


def read_reason(message: str) -> tuple[str, str]:
    """Split a job's error message into its verdict and its reason, which Glue may put words of its own before.

    A message without a verdict (out of memory, no capacity) counts as transient.
    """
    if match := _VERDICT.search(message):
        return match[1], match[2].strip()
    return "TRANSIENT", message.strip()


@contextmanager
def _answers(job: str) -> Iterator[None]:
    """Errors of AWS as ours; that too many run at once is left to the caller."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConcurrentRunsExceededException":
            raise
        if code == "EntityNotFoundException":
            raise ConfigurationError(
                f"There is no Glue job {job}, or no such run of it.", hint="deploy the stacks of this environment"
            ) from error
        if code in _LATER or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise TransientError(f"Glue put {job} off: {error}.", hint="call the same command again") from error
        denied = code.startswith("AccessDenied")
        hint = (
            "you need glue:StartJobRun and glue:GetJobRun on it" if denied else "deploy the stacks of this environment"
        )
        raise ConfigurationError(f"Glue refused {job}: {error}.", hint=hint) from error
    except BotoCoreError as error:
        raise TransientError(f"Glue did not answer: {error}.", hint="call the same command again") from error


@contextmanager
def _saying_what_goes_on(running: list[_Running], say: _Say) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for each in running:
            if each.run_id is not None:
                say(each, f"goes on without being waited for (run {each.run_id})")
        if isinstance(error, KeyboardInterrupt):
            typer.echo("Stopped waiting. What is done stays done: the same command goes on from there.", err=True)
            raise typer.Exit(INTERRUPTED) from error
        raise
