"""The smoke test of an environment: a day of a source through what is deployed, then silver and gold.

It starts the deployed jobs, or the state machine, for a day that no batch has yet; asks the audit whether each batch
is loaded; builds silver and gold with dbt's tests; and looks whether every table of gold has rows. It says what is
wrong and ends with exit code 1 if anything is.

It runs where the warehouse can be reached: in the environment's own CodeBuild project
(``infra/constructs/smoke_test.py``) or, after ``make up``, on a laptop. It needs the library, boto3 and a dbt
(``DBT_EXECUTABLE``), and nothing else of ours::

    python -m infra.delivery.smoke_test --environment local --source fakestore --first-day 2020-03-01
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import boto3

from ingot.batch import Batch
from ingot.cli import context, jobs, reports, transform
from ingot.coverage import committed
from ingot.errors import IngotError
from ingot.naming import Names
from ingot.sources import Source
from ingot.storage import ObjectStore
from ingot.warehouse import Warehouse

DAY = timedelta(days=1)
POLL_SECONDS = 1.0
RUNNERS = ("jobs", "state-machine")


def smoke_test(source: str, *, first_day: date, runner: str, project: Path) -> list[str]:
    """Runs the test in the environment that ``INGOT_ENVIRONMENT`` names; what is wrong, nothing if all is well.

    Args:
        source: whose jobs are run.
        first_day: the earliest day to take; see :func:`new_day`.
        runner: ``jobs`` starts the Glue jobs, ``state-machine`` the source's state machine.
        project: the dbt project.

    Raises:
        IngotError: the environment, its jobs or its warehouse do not answer.
    """
    names = context.names()
    (deployed,) = context.deployed_sources(names, source)
    start = new_day(context.bronze(names), deployed, first_day)
    batches = [
        Batch(source=source, stream=stream, interval_start=start, interval_end=start + DAY)
        for stream in deployed.streams
    ]
    say(f"{names.environment}: {start:%Y-%m-%d} of {source} by {runner}")
    run = run_state_machine if runner == "state-machine" else run_jobs
    if problems := run(names, batches):
        return problems
    warehouse = context.warehouse()
    if problems := not_loaded(warehouse, batches):
        return problems
    endpoint = context.endpoint()
    # One source was run: what a new environment lacks of the others is no fault of what was deployed.
    alone = ["--exclude", "tag:needs_another_source"]
    if code := transform.build(transform.dbt_command(project), project, endpoint, alone):
        return [f"dbt ended with exit code {code}; its own lines above say which model or test"]
    return gold_problems(warehouse)


def new_day(bronze: ObjectStore, source: Source, first_day: date) -> datetime:
    """The first day from ``first_day`` that no stream has a batch of: a batch that is there is not taken again, so that
    an old day would test little. Where every day is there, yesterday, which tests all steps but the request.
    """
    taken = {(batch.stream, batch.interval_start) for s in source.streams.values() for batch in committed(bronze, s)}
    yesterday = datetime.combine(datetime.now(UTC).date(), time_of_day(), UTC) - DAY
    day = datetime.combine(first_day, time_of_day(), UTC)
    while day < yesterday and any((stream, day) in taken for stream in source.streams):
        day += DAY
    return day


def run_jobs(names: Names, batches: Sequence[Batch]) -> list[str]:
    """The steps of each batch, and the audit in any case; why those that failed did."""
    as_of = datetime.now(UTC)
    chains = [
        jobs.Chain(
            label=batch.id,
            steps=[jobs.batch_step(names, batch, step, as_of) for step in ("extract", "refine", "load")],
        )
        for batch in batches
    ]
    first = batches[0]
    ended = jobs.run(chains, at_once=len(chains))
    ended += jobs.run([jobs.audit_chain(names, first.source, first.interval_start, first.interval_end)])
    return [outcome.reason for outcome in ended if outcome.reason]


def run_state_machine(names: Names, batches: Sequence[Batch]) -> list[str]:
    """The source's state machine for the interval; why it failed."""
    first = batches[0]
    name = names.state_machine(first.source)
    states: Any = boto3.client("stepfunctions")
    partition = boto3.Session().get_partition_for_region(names.region)
    given = {
        "interval_start": jobs.iso(first.interval_start),
        "interval_end": jobs.iso(first.interval_end),
        "as_of": jobs.iso(datetime.now(UTC)),
    }
    execution = states.start_execution(
        stateMachineArn=f"arn:{partition}:states:{names.region}:{names.account}:stateMachine:{name}",
        input=json.dumps(given),
    )["executionArn"]
    while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    if found["status"] == "SUCCEEDED":
        return []
    return [f"{name} {found['status']}: {found.get('error', '')} {found.get('cause', 'no cause given')}"]


def not_loaded(warehouse: Warehouse, batches: Sequence[Batch]) -> list[str]:
    """Which batches the audit does not know as loaded: a job that ends well and loads nothing is a failure too."""
    loaded = reports.loaded(warehouse, batches[0].source)
    return [f"{batch.id} is not LOADED, says the audit" for batch in batches if batch.id not in loaded]


def gold_problems(warehouse: Warehouse) -> list[str]:
    """Which tables of gold have no rows; that there are none at all."""
    tables = warehouse.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'gold' ORDER BY table_name"
    ).rows
    if not tables:
        return ["there is no table in gold"]
    rows = {name: warehouse.query(f'SELECT count(*) AS n FROM gold."{name}"').rows[0][0] for (name,) in tables}  # noqa: S608
    say("gold: " + ", ".join(f"{name} {count}" for name, count in rows.items()))
    return [f"gold.{name} has no rows" for name, count in rows.items() if not count]


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the test as the command line says; the exit code."""
    parser = argparse.ArgumentParser(description="The smoke test of a deployed environment.")
    parser.add_argument("--environment", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--first-day", required=True, type=date.fromisoformat, help="YYYY-MM-DD, with records")
    parser.add_argument("--runner", choices=RUNNERS, default="jobs")
    parser.add_argument("--dbt", type=Path, default=Path("dbt"), help="the dbt project")
    given = parser.parse_args(arguments)
    os.environ["INGOT_ENVIRONMENT"] = given.environment
    try:
        problems = smoke_test(given.source, first_day=given.first_day, runner=given.runner, project=given.dbt)
    except IngotError as error:
        problems = [error.verdict]
    for problem in problems:
        say(f"SMOKE TEST FAILED: {problem}")
    if not problems:
        say("SMOKE TEST PASSED")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
