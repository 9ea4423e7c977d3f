"""Create a backfill with Airflow's own command and start its runs with its own scheduler, on a database of its own.

Run as ``python -P backfill_as_airflow.py FOLDER ARGUMENT…`` with the arguments of ``airflow backfill create``. The last
line of its output is JSON: for each run that was started, in order, what a task of it is given, twice: at its first try
and, a second later, at the next. No task is run: its arguments are rendered from the run as the API sends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TASK = "carts.extract"


def main(folder: Path, arguments: list[str]) -> None:
    os.environ.update(
        AIRFLOW__CORE__DAGS_FOLDER=str(folder),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{os.environ['AIRFLOW_HOME']}/airflow.db",
        AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
        AIRFLOW__COSMOS__ENABLE_TELEMETRY="False",
    )
    sys.path.insert(0, str(folder))
    from airflow.cli.cli_parser import get_parser
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=str(folder / "ingest.py"), bundle_path=folder, bundle_name="dags-folder")
    with create_session() as session:
        sync_bag_to_db(bag, "dags-folder", bundle_version=None, session=session)
    parsed = get_parser().parse_args(["backfill", "create", *arguments])
    dag = bag.dags[parsed.dag_id]
    parsed.func(parsed)
    print(json.dumps(list(started_runs(dag))))


def started_runs(dag: Any) -> Iterator[dict[str, Any]]:
    """Every queued run, once the scheduler has started it; it is then taken for done, so that the next can start."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import func, select

    time.sleep(1.1)  # a run is older than its start, by more than the second that times are cut to
    scheduler = SchedulerJobRunner(job=Job())
    while True:
        with create_session() as session:
            scheduler._start_queued_dagruns(session)
            session.commit()
            running = session.scalars(select(DagRun).where(DagRun.state == DagRunState.RUNNING)).all()
            if not running:
                assert not session.scalar(select(func.count()).where(DagRun.state == DagRunState.QUEUED))
                return
            for run in running:
                first = script_arguments(dag, run)
                time.sleep(1.1)
                yield {
                    "run_type": run.run_type,
                    "queued_at": run.queued_at.isoformat(),
                    "start_date": run.start_date.isoformat(),
                    "first": first,
                    "retry": script_arguments(dag, run),
                }
                run.state = DagRunState.SUCCESS


def script_arguments(dag: Any, run: Any) -> dict[str, str]:
    """What the task's job would be called with: rendered from the run as a worker gets it."""
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun as Sent
    from airflow.sdk.api.datamodels._generated import DagRun as Received

    received = Received.model_validate_json(Sent.model_validate(run, from_attributes=True).model_dump_json())
    task = dag.get_task(TASK).prepare_for_execution()
    context = {"dag_run": received, "params": {name: param.value for name, param in dag.params.items()}}
    task.render_template_fields(context, dag.get_template_env())
    return dict(task.script_args)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
