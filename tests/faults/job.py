"""A Glue job as a process that starts in milliseconds: forked from one that has the imports done.

The script is the real one from `glue_jobs/`, with the arguments and variables that Glue would give it, in a process of
its own: it can be killed with SIGKILL at any point, and shares nothing with another run. What is different: waits
between retries are left out, its clock may be wrong, and a bug may be planted in it.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import botocore.retries.standard
import stamina

ROOT = Path(__file__).resolve().parents[2]
SHIM = ROOT / "localstack" / "localcloud" / "glue" / "shim"

ENDPOINTS = "INGOT_FAULTS_ENDPOINTS"
"""The variable with the addresses of AWS that jobs will be given, for the process that they are forked from."""

SOURCES = "INGOT_FAULTS_SOURCES"
"""The variable with the folder of all sources that jobs will be given, each in a folder of its mode; for the same."""

READS_THE_CLOCK = ("ingot.attempt", "ingot.steps.")
"""Modules of the library that ask what time it is."""


@dataclass(frozen=True)
class Job:
    """What is run.

    Attributes:
        script: `extract`, `refine`, `load` or `audit`.
        arguments: as Glue gives them, without the dashes.
        environment: variables.
        output: the file that takes what it prints.
        tries: how often the orchestrator has started this task, this time included.
        clock: by how much its clock is wrong.
        plant: the bug planted in it, by its name in `tests/faults/planted.py`.
    """

    script: str
    arguments: dict[str, str]
    environment: dict[str, str]
    output: Path
    tries: int = 1
    clock: timedelta = timedelta(0)
    plant: str = ""


def start(job: Job) -> BaseProcess:
    """Start a job; `exitcode` of what is returned is -9 for one that was killed."""
    context: Any = get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.faults.warm"])
    process: BaseProcess = context.Process(target=run, args=(job,))
    process.start()
    return process


def run(job: Job) -> None:
    """Be the job, in the process that was forked for it."""
    output = os.open(job.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(job.environment)
    _wait_for_nothing()
    if job.clock:
        _set_clock(job.clock)
    if job.plant:
        from tests.faults import planted

        planted.PLANTS[job.plant](job)
    sys.path.insert(0, str(SHIM))
    script = ROOT / "glue_jobs" / f"{job.script}.py"
    sys.argv = [str(script), *(word for name, value in job.arguments.items() for word in (f"--{name}", value))]
    code: object = 1
    try:
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # An ordinary end would take apart what is shared with the process that this one was forked from.
    os._exit(code if isinstance(code, int) else 1)


def _wait_for_nothing() -> None:
    stamina.set_testing(True, attempts=10, cap=True)
    botocore.retries.standard.ExponentialBackoff.delay_amount = lambda self, context: 0.0  # type: ignore[method-assign]


def _set_clock(wrong: timedelta) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + wrong

    for name, module in list(sys.modules.items()):
        if name.startswith(READS_THE_CLOCK) and getattr(module, "datetime", None) is datetime:
            module.datetime = Clock  # type: ignore[attr-defined]
