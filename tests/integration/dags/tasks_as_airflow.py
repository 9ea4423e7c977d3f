"""Two tasks of the DAG `transform`, one after the other, as a worker runs them; without Airflow's services.

Run as ``python tasks_as_airflow.py DAGS TASK TASK``; the environment says where Airflow and dbt are.
"""

import os
import sys

os.environ.update(
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__COSMOS__ENABLE_TELEMETRY="False",
    AIRFLOW_CONN_WAREHOUSE="postgres://somebody:secret@warehouse.example.com:6543/ingot",
)


def main(dags: str, *tasks: str) -> None:
    """Run them."""
    sys.path.insert(0, dags)
    from transform import transform_dag

    for name in tasks:
        task = transform_dag.get_task(name)
        task.full_refresh, task.env, task.callback, task.emit_datasets = False, {"INGOT_MASK_SALT": "pepper"}, [], False
        task.build_and_run_cmd(context={"run_id": "run"}, cmd_flags=task.add_cmd_flags())


if __name__ == "__main__":
    main(*sys.argv[1:])
