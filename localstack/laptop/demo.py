"""``python -m laptop demo``: from nothing to gold tables, each step shown, the first failure explained."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from laptop.airflow import USER, Airflow
from laptop.airflow_api import AirflowApi, Run, Task
from laptop.deploy import Deployment
from laptop.environment import inherited_environment, tools_environment
from laptop.errors import LaptopError
from laptop.progress import Step, Steps
from laptop.recordings import in_batches, landing_files
from laptop.services import Laptop, require_tools

START: Final = datetime(2020, 1, 1, tzinfo=UTC)
END: Final = datetime(2020, 4, 1, tzinfo=UTC)
"""The quarter that was recorded. The runs stand for its end, so that each demo is the same batches again."""

TRANSFORM: Final = "transform"
RUN_SECONDS: Final = 600
"""How long a run may take before the demo gives up."""

SHOWN: Final = (
    ("sql", "select order_date, orders, units, revenue, average_order_value from gold.daily_sales order by 1"),
    (
        "sql",
        "select order_date, currency, round(sum(revenue), 2) as revenue, min(rate_date) as rate_of "
        "from gold.revenue_by_currency group by 1, 2 order by 1, 2",
    ),
    ("sql", "select category, orders, units, revenue, revenue_share from gold.category_revenue order by revenue desc"),
    ("sql", "select category, revenue, cost, margin, margin_rate from gold.category_margin order by revenue desc"),
    ("sql", "select product_id, title, units, revenue from gold.product_performance order by revenue desc limit 5"),
    ("sql", "select user_id, orders, units, revenue from gold.customer_activity order by revenue desc limit 5"),
    ("batches",),
)
"""What the CLI prints at the end: the gold tables, and the batches that they were made of."""

WHERE_NEXT: Final = """
From the API to gold tables in {seconds:.0f} seconds. Where to look next:
  {airflow.url}    Airflow; user admin, password {airflow.password}
  set -a; . {laptop.home.env}; set +a
      and then: .venv/bin/ingot status, .venv/bin/ingot batches, .venv/bin/ingot sql "select * from gold.daily_sales"
  .venv/bin/ingot ui    the console: business, runs, quarantine, lineage and contracts, in a browser
  make down     stops everything; the next `make demo` goes on from there, and adds nothing twice
  make clean    stops everything and removes what it kept
"""


def demo(laptop: Laptop) -> None:
    """Start, deploy, run and show.

    Raises:
        LaptopError: A step failed.
    """
    require_tools(laptop.home)
    began = time.monotonic()
    airflow, deployment = Airflow(laptop), Deployment(laptop)
    with Steps() as steps:
        changed = up(laptop, airflow, deployment, steps)
        sources = in_batches(laptop.home.sources)
        with ThreadPoolExecutor(1) as pool:
            landing = pool.submit(_land, laptop, steps)
            api = _wait_for_dags(airflow, sources, steps, since=changed)
            landing.result()
        runs = _run(api, sources, steps)
    console = steps.console
    console.print()
    for command in SHOWN:
        console.print(f"\n$ ingot {shlex.join(command)}", style="bold", markup=False, soft_wrap=True)
        cli(laptop, *command)
    console.print(WHERE_NEXT.format(seconds=time.monotonic() - began, airflow=airflow, laptop=laptop), soft_wrap=True)
    listed = "; ".join(f"{run.dag_id} {run.run_id}" for run in runs)
    console.print(f"Runs: {listed}", style="dim", soft_wrap=True)


def up(laptop: Laptop, airflow: Airflow, deployment: Deployment, steps: Steps) -> datetime | None:
    """Services, then the stacks beside Airflow's start, which takes as long.

    Returns:
        When the DAG folder was changed, so that what Airflow has parsed before is of older files; None if it was not.
    """
    with steps.step("Postgres, source and cloud") as step:
        started = laptop.start()
        step.result = f"started {', '.join(started)}" if started else "already up"
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_start_airflow, airflow, steps), pool.submit(_deploy, deployment, steps)]
        for future in waiting:
            future.result()
    with steps.step("Warehouse user and DAG folder") as step:
        deployment.grant_warehouse()
        written, removed = deployment.sync_dags(airflow.dags)
        step.result = f"{written} files written, {removed} removed"
    return datetime.now(UTC) if written or removed else None


def cli(laptop: Laptop, *arguments: str, shown: bool = True) -> None:
    """Run the ``ingot`` CLI as a person would.

    Args:
        arguments: of the command line.
        shown: False: what it prints is of interest only if it fails.

    Raises:
        LaptopError: It fails.
    """
    done = subprocess.run(
        [str(laptop.home.python), "-c", "from ingot.cli import main; main()", *arguments],
        cwd=laptop.home.checkout,
        env=environment(laptop),
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LaptopError(
            f"ingot {' '.join(arguments)} failed.",
            detail=done.stdout or "",
            hint="Its own message above says why; `make up` starts the services.",
        )


def environment(laptop: Laptop) -> dict[str, str]:
    """This process's variables with those of ``.ingot/env``."""
    return {**inherited_environment(), **tools_environment(laptop.home), **laptop.environment.variables}


def _start_airflow(airflow: Airflow, steps: Steps) -> None:
    with steps.step("Airflow") as step:
        step.detail("migrating its database, then api-server, scheduler and dag-processor")
        step.result = airflow.url if airflow.start() else f"already up at {airflow.url}"


def _deploy(deployment: Deployment, steps: Steps) -> None:
    with steps.step("cdk synth") as step:
        if not deployment.synth(step.detail):
            step.result = "skipped: nothing it is made from changed"
    with steps.step("cdk deploy") as step:
        if not deployment.deploy(step.detail):
            step.result = "skipped: this cloud has these stacks"


def _wait_for_dags(
    airflow: Airflow, sources: list[str], steps: Steps, seconds: float = 60, *, since: datetime | None = None
) -> AirflowApi:
    wanted = {TRANSFORM, *map(_ingest_dag, sources)}
    with steps.step("DAGs parsed") as step:
        api = AirflowApi(airflow.url, USER, airflow.password)
        deadline = time.monotonic() + seconds
        while not wanted <= (known := api.dags(since=since)):
            if errors := api.import_errors():
                raise LaptopError(
                    "Airflow cannot import the DAGs.",
                    detail="\n".join(errors),
                    hint=f"The files are in {airflow.dags}.",
                )
            if time.monotonic() > deadline:
                raise LaptopError(
                    f"Airflow did not find {', '.join(sorted(wanted - known))} within {seconds:.0f} seconds.",
                    hint=f"Look at {airflow.home.logs}/airflow-dag-processor.log.",
                )
            time.sleep(0.5)
        step.result = ", ".join(sorted(known))
    return api


def _land(laptop: Laptop, steps: Steps) -> None:
    """As whoever has such files does it."""
    landing: dict[tuple[str, str], list[str]] = {}
    for source, stream, file in landing_files(laptop.home.sources):
        landing.setdefault((source, stream), []).append(str(file))
    with steps.step("Files landed") as step:
        for (source, stream), files in landing.items():
            cli(laptop, "land", *files, "--source", source, "--stream", stream, shown=False)
        step.result = ", ".join(f"{len(files)} of {source}" for (source, _), files in landing.items())


def _run(api: AirflowApi, sources: list[str], steps: Steps) -> list[Run]:
    """Trigger the ingestion of each source, side by side, and follow the transformation that their assets start."""
    run_id = f"demo__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    with ThreadPoolExecutor(len(sources)) as pool:
        ingests = list(pool.map(lambda source: _ingest(api, source, run_id, steps), sources))
    with steps.step(TRANSFORM) as step:
        transforms = [_follow(api, run, step) for run in caused_by(api, ingests)]
    return [*ingests, *transforms]


def _ingest_dag(source: str) -> str:
    return f"ingest_{source}"


def _ingest(api: AirflowApi, source: str, run_id: str, steps: Steps) -> Run:
    with steps.step(f"{_ingest_dag(source)}, {START:%Y-%m-%d} to {END:%Y-%m-%d}") as step:
        return _follow(api, api.trigger(_ingest_dag(source), run_id, start=START, end=END, run_after=END), step)


def caused_by(api: AirflowApi, ingests: list[Run], seconds: float = 60) -> list[Run]:
    """The transformations that these ingestions' assets started: one, if their schedule is the same.

    Raises:
        LaptopError: There is none for one of them in time.
    """
    waiting = {(run.dag_id, run.run_id) for run in ingests}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        causes = {run: api.caused_by(run) for run in api.runs(TRANSFORM)}
        if waiting <= set().union(*causes.values()):
            return [run for run in reversed(causes) if causes[run] & waiting]
        time.sleep(0.5)
    raise LaptopError(
        f"The runs {', '.join(' '.join(run) for run in sorted(waiting))} did not start {TRANSFORM} within "
        f"{seconds:.0f} seconds.",
        hint="It is scheduled on the assets of the sources' streams: look at Assets in Airflow.",
    )


def _follow(api: AirflowApi, run: Run, step: Step) -> Run:
    tasks: list[Task] = []
    try:
        for latest, tasks in api.follow(run, seconds=RUN_SECONDS):
            run = latest
            step.detail(_summary(tasks))
    except TimeoutError as error:
        raise LaptopError(f"{error}.", hint="Look at its tasks in Airflow; `make demo` again continues.") from error
    if run.state != "success":
        raise _failure(api, run, tasks)
    step.result = f"{len(tasks)} tasks"
    return run


def _summary(tasks: list[Task]) -> str:
    states = Counter(task.state or "waiting" for task in tasks)
    running = [task.task_id for task in tasks if task.state == "running"]
    return f"{states['success']} of {len(tasks)} done" + (f"; {', '.join(running)}" if running else "")


def _failure(api: AirflowApi, run: Run, tasks: list[Task]) -> LaptopError:
    failed = [task for task in tasks if task.state == "failed"]
    detail = "\n".join(f"{task.task_id} (try {task.try_number}): {api.reason(run, task)}" for task in failed)
    return LaptopError(
        f"The run {run.run_id} of {run.dag_id} failed in {', '.join(task.task_id for task in failed) or 'no task'}.",
        detail=detail,
        hint="Mend what the reason names, then `make demo` again: batches that succeeded are not done twice.",
    )
