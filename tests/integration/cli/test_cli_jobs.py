"""Waiting for jobs that really run: at once, again where it helps, to the end of all of them, and not when stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from ingot.cli.jobs import Chain, Outcome, Step, run
from ingot.errors import ConfigurationError

GOOD = "print('good')\n"
TERMINAL = "import sys\nsys.exit('TERMINAL RejectRateExceeded: 3 of 7 records were refused')\n"
OUTAGE = "import sys\nsys.exit('TRANSIENT SourceUnavailable: 502')\n"


def chain(*jobs: str, label: str = "batch", **arguments: str) -> Chain:
    given = {f"--{name}": value for name, value in arguments.items()}
    return Chain(label=label, steps=[Step(job=job, arguments=given) for job in jobs])


def states(job: str) -> list[str]:
    """Of its runs, newest first."""
    return [found["JobRunState"] for found in boto3.client("glue").get_job_runs(JobName=job)["JobRuns"]]


def test_steps_run_one_after_the_other_with_their_arguments(job: Callable[..., str]) -> None:
    script = "import sys\nassert sys.argv[sys.argv.index('--stream') + 1] == 'carts', sys.argv\n"
    first, second = job(script), job(script)

    assert run([chain(first, second, stream="carts")]) == [Outcome(label="batch", reason=None)]

    runs = [boto3.client("glue").get_job_runs(JobName=name)["JobRuns"][0] for name in (first, second)]
    assert [found["JobRunState"] for found in runs] == ["SUCCEEDED", "SUCCEEDED"]
    assert runs[0]["CompletedOn"] <= runs[1]["StartedOn"]


def test_a_terminal_failure_ends_its_chain_at_once_and_no_other(
    job: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken, after, good = job(TERMINAL), job(GOOD), job(GOOD)

    failed, fine = run([chain(broken, after, label="january"), chain(good, label="february")], retry_seconds=0.01)

    assert fine == Outcome(label="february", reason=None)
    assert failed.reason is not None
    assert f"{broken} FAILED: RejectRateExceeded: 3 of 7 records were refused" in failed.reason
    assert (states(broken), states(after)) == (["FAILED"], [])
    assert f"january: {broken} FAILED: RejectRateExceeded" in capsys.readouterr().err


def test_a_transient_failure_is_tried_again_three_times_in_all(job: Callable[..., str]) -> None:
    name = job(OUTAGE)

    (outcome,) = run([chain(name)], retry_seconds=0.01)

    assert outcome.reason is not None
    assert "SourceUnavailable: 502" in outcome.reason
    assert states(name) == ["FAILED"] * 3


def test_what_succeeds_at_the_second_try_has_succeeded(job: Callable[..., str], tmp_path: Path) -> None:
    # A job that was killed left no verdict; it counts as transient.
    script = f"import os, pathlib\nseen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
    script += "if not seen.exists():\n    seen.touch()\n    os.kill(os.getpid(), 9)\n"
    name = job(script)

    assert run([chain(name)], retry_seconds=0.01) == [Outcome(label="batch", reason=None)]
    assert states(name) == ["SUCCEEDED", "FAILED"]


def test_as_many_chains_as_asked_for_run_side_by_side_and_no_more(job: Callable[..., str]) -> None:
    name = job("import time\ntime.sleep(0.6)\n")

    run([chain(name, label=str(number)) for number in range(4)], at_once=2)

    runs = boto3.client("glue").get_job_runs(JobName=name)["JobRuns"]
    beside = [sum(a["StartedOn"] <= b["StartedOn"] < a["CompletedOn"] for a in runs) for b in runs]
    assert max(beside) == 2


def test_a_job_that_lets_no_more_runs_in_is_waited_for(
    job: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ingot.cli.jobs._LAST_LOOK", 0.2)
    name = job("import time\ntime.sleep(0.5)\n", concurrent_runs=1)

    outcomes = run([chain(name, label="one"), chain(name, label="two")], at_once=2)

    assert "two: " + name + " waits" in capsys.readouterr().err
    assert [outcome.reason for outcome in outcomes] == [None, None]
    assert states(name) == ["SUCCEEDED", "SUCCEEDED"]


def test_a_job_that_is_not_deployed_is_named_with_what_to_do(cloud: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no Glue job ingot-x-nowhere.*deploy the stacks"):
        run([chain("ingot-x-nowhere")])


def test_ctrl_c_ends_the_waiting_and_says_which_runs_go_on(job: Callable[..., str]) -> None:
    name = job("import time\ntime.sleep(2)\n")
    script = (
        # A shell has what it runs in the background ignore it, and this process would too.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from ingot.cli.jobs import *; import typer\n"
        f"try:\n    run([Chain(label='batch', steps=[Step(job={name!r}, arguments={{}})])])\n"
        "except typer.Exit as stopped:\n    sys.exit(stopped.exit_code)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"batch: {name} started\n"  # it knows the run now
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]

    run_id = boto3.client("glue").get_job_runs(JobName=name)["JobRuns"][0]["Id"]
    assert process.returncode == 130, said
    assert f"batch: {name} goes on without being waited for (run {run_id})" in said
    while states(name)[0] in ("STARTING", "RUNNING"):
        time.sleep(0.1)
    assert states(name) == ["SUCCEEDED"]
