"""The operator against jobs that really run: a task fails when its job fails, says why, and is retried if it helps."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Airflow's own


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The DAG folder's operator and the SDK's exceptions."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    patch.syspath_prepend(str(ROOT / "dags"))
    import ingot_glue

    yield ingot_glue
    patch.undo()


@pytest.fixture
def job(cloud: str) -> Callable[[str], str]:
    """Deploys a script as a Glue job and returns the job's name."""

    def deploy(script: str) -> str:
        name = f"job-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=name)
        boto3.client("s3").put_object(Bucket=name, Key="job.py", Body=script.encode())
        trust = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = boto3.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        boto3.client("glue").create_job(
            Name=name,
            Role=role["Role"]["Arn"],
            GlueVersion="6.0",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{name}/job.py"},
        )
        return name

    return deploy


class TaskInstance:
    """What the operator needs of one: somewhere to leave the run's id."""

    def xcom_push(self, key: str, value: object) -> None:
        self.run_id = value


def execute(airflow: Any, job_name: str, **arguments: str) -> str:
    task = airflow.GlueStepOperator(
        task_id="step", job_name=job_name, script_args=arguments, job_poll_interval=0.05, do_xcom_push=False
    )
    return str(task.execute({"ti": TaskInstance()}))


def test_a_task_succeeds_once_its_job_has_run_with_the_arguments(airflow: Any, job: Callable[[str], str]) -> None:
    name = job("import sys\nassert sys.argv[sys.argv.index('--stream') + 1] == 'carts', sys.argv\n")
    run_id = execute(airflow, name, **{"--stream": "carts"})
    assert boto3.client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"]["JobRunState"] == "SUCCEEDED"


def test_a_terminal_failure_fails_the_task_at_once_with_the_jobs_reason(
    airflow: Any, job: Callable[[str], str]
) -> None:
    name = job("import sys\nsys.exit('TERMINAL RejectRateError: 3 of 7 carts were refused')\n")
    with pytest.raises(airflow.AirflowFailException, match="RejectRateError: 3 of 7 carts were refused"):
        execute(airflow, name)


@pytest.mark.parametrize(
    "script",
    [
        "import sys\nsys.exit('TRANSIENT SourceUnavailable: 502')\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    ],
    ids=["transient", "killed"],
)
def test_any_other_failure_leaves_the_task_to_its_retries(airflow: Any, job: Callable[[str], str], script: str) -> None:
    with pytest.raises(airflow.AirflowException, match=r"SourceUnavailable: 502|SIGKILL") as caught:
        execute(airflow, job(script))
    assert not isinstance(caught.value, airflow.AirflowFailException)


def test_a_job_that_somebody_stopped_is_no_success(airflow: Any, job: Callable[[str], str]) -> None:
    name = job("import time\ntime.sleep(60)\n")

    def stop() -> None:
        glue = boto3.client("glue")
        while not (runs := glue.get_job_runs(JobName=name)["JobRuns"]):
            time.sleep(0.05)
        glue.batch_stop_job_run(JobName=name, JobRunIds=[runs[0]["Id"]])

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(airflow.AirflowException, match="STOPPED"):
        execute(airflow, name)
    stopper.join()


def test_killing_the_task_stops_the_run(airflow: Any, job: Callable[[str], str]) -> None:
    name = job("import time\ntime.sleep(60)\n")
    task = airflow.GlueStepOperator(task_id="step", job_name=name, job_poll_interval=0.05, do_xcom_push=False)
    waiting = threading.Thread(target=lambda: _swallow(task, airflow))
    waiting.start()
    glue = boto3.client("glue")
    while not (runs := glue.get_job_runs(JobName=name)["JobRuns"]) or task._job_run_id is None:
        time.sleep(0.05)
    task.on_kill()
    waiting.join(timeout=30)
    assert glue.get_job_run(JobName=name, RunId=runs[0]["Id"])["JobRun"]["JobRunState"] == "STOPPED"


def _swallow(task: Any, airflow: Any) -> None:
    with pytest.raises(airflow.AirflowException):
        task.execute({"ti": TaskInstance()})


def test_a_job_that_is_not_deployed_is_not_created_but_named_with_what_to_do(airflow: Any, cloud: str) -> None:
    with pytest.raises(airflow.AirflowFailException, match=r"no Glue job 'ingot-x-nowhere'.*cdk deploy"):
        execute(airflow, "ingot-x-nowhere")
    with pytest.raises(boto3.client("glue").exceptions.EntityNotFoundException):
        boto3.client("glue").get_job(JobName="ingot-x-nowhere")


def test_the_warehouse_secret_as_rds_writes_it_is_a_connection_with_its_database(airflow: Any, cloud: str) -> None:
    """With the backend as the laptop and MWAA configure it."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
    from airflow.sdk import Connection
    from laptop.airflow import SECRETS

    rds = {"engine": "postgres", "host": "h", "port": 5433, "username": "ingot", "password": "p/@:", "dbname": "ingot"}
    boto3.client("secretsmanager").create_secret(Name="ingot/local/warehouse", SecretString=json.dumps(rds))
    found = SecretsManagerBackend(**SECRETS).get_conn_value("warehouse")
    assert found is not None
    connection = Connection.from_json(found, conn_id="warehouse")
    assert (connection.conn_type, connection.host, connection.port) == ("postgres", "h", 5433)
    assert (connection.login, connection.password, connection.schema) == ("ingot", "p/@:", "ingot")
    boto3.client("secretsmanager").delete_secret(SecretId="ingot/local/warehouse", ForceDeleteWithoutRecovery=True)
