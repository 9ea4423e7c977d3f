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
from laptop.services import Laptop, require_tools

SOURCE: Final = "fakestore"
START: Final = datetime(2020, 1, 1, tzinfo=UTC)
END: Final = datetime(2020, 4, 1, tzinfo=UTC)
"""The quarter that was recorded. The run stands for its end, so that each demo is the same batch again."""

INGEST: Final = f"ingest_{SOURCE}"
TRANSFORM: Final = "transform"
RUN_SECONDS: Final = 600
"""How long a run may take before the demo gives up."""

SHOWN: Final = (
    ("sql", "select order_date, orders, units, revenue, average_order_value from gold.daily_sales order by 1"),
    ("sql", "select category, orders, units, revenue, revenue_share from gold.category_revenue order by revenue desc"),
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
        up(laptop, airflow, deployment, steps)
        api = _wait_for_dags(airflow, deployment, steps)
        ingest, transform = _run(api, steps)
    console = steps.console
    console.print()
    for command in SHOWN:
        console.print(f"\n$ ingot {shlex.join(command)}", style="bold", markup=False, soft_wrap=True)
        cli(laptop, *command)
    console.print(WHERE_NEXT.format(seconds=time.monotonic() - began, airflow=airflow, laptop=laptop), soft_wrap=True)
    console.print(f"Runs: {INGEST} {ingest.run_id}; {TRANSFORM} {transform.run_id}", style="dim", soft_wrap=True)


def up(laptop: Laptop, airflow: Airflow, deployment: Deployment, steps: Steps) -> None:
    """Services, then the stacks beside Airflow's start, which takes as long."""
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


def cli(laptop: Laptop, *arguments: str) -> None:
    """Run the ``ingot`` CLI as a person would.

    Raises:
        LaptopError: It fails.
    """
    done = subprocess.run(
        [str(laptop.home.python), "-c", "from ingot.cli import main; main()", *arguments],
        cwd=laptop.home.checkout,
        env=environment(laptop),
        check=False,
    )
    if done.returncode:
        raise LaptopError(
            f"ingot {' '.join(arguments)} failed.",
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


def _wait_for_dags(airflow: Airflow, deployment: Deployment, steps: Steps, seconds: float = 60) -> AirflowApi:
    wanted = {INGEST, TRANSFORM}
    with steps.step("DAGs parsed") as step:
        api = AirflowApi(airflow.url, USER, airflow.password)
        deadline = time.monotonic() + seconds
        while not wanted <= (known := api.dags()):
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


def _run(api: AirflowApi, steps: Steps) -> tuple[Run, Run]:
    """Trigger the ingestion, follow it, and follow the transformation that its assets start."""
    with steps.step(f"{INGEST}, {START:%Y-%m-%d} to {END:%Y-%m-%d}") as step:
        run_id = f"demo__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
        ingest = api.trigger(INGEST, run_id, start=START, end=END, run_after=END)
        ingest = _follow(api, ingest, step)
    with steps.step(TRANSFORM) as step:
        transform = _follow(api, _caused_by(api, ingest), step)
    return ingest, transform


def _caused_by(api: AirflowApi, ingest: Run, seconds: float = 60) -> Run:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for run in api.runs(TRANSFORM):
            if ingest.run_id in api.caused_by(run):
                return run
        time.sleep(0.5)
    raise LaptopError(
        f"The run {ingest.run_id} of {INGEST} did not start {TRANSFORM} within {seconds:.0f} seconds.",
        hint="It is scheduled on the assets of the source's streams: look at Assets in Airflow.",
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
