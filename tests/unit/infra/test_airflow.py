"""MWAA's environment: made from the bundle, in the network, and with what the DAG folder needs and no more."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.bundle import build_bundle, setup_digest
from infra.constructs.airflow_environment import AIRFLOW_VERSION, airflow_options
from infra.settings import load_settings
from ingot.naming import Names
from tests.unit.infra.review import as_list

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names(environment="dev", account="111111111111", region="us-east-1")
AIRFLOWS_OWN = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# What MWAA's image for Airflow 3.3.1 sets before an environment's own options: mwaa/config/airflow.py in
# https://github.com/aws/amazon-mwaa-docker-images.
MWAA_DEFAULTS = {
    "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
    "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
}


@pytest.fixture(scope="module")
def dev(synthesise: Callable[..., Any]) -> Any:
    return synthesise("dev")


def environment(assembly: Any) -> dict[str, Any]:
    (found,) = assembly.resources("AWS::MWAA::Environment").values()
    return dict(found)


def rights(assembly: Any) -> dict[str, dict[str, Any]]:
    """Sid → statement of the role."""
    role = environment(assembly)["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0]
    policies = assembly.templates["orchestration"]["Resources"][role]["Properties"]["Policies"]
    return {s["Sid"]: s for policy in policies for s in policy["PolicyDocument"]["Statement"]}


def test_it_is_of_the_version_that_the_dag_folder_is_held_to(dev: Any) -> None:
    constraints = f"constraints-mwaa-{AIRFLOW_VERSION}.txt"

    assert environment(dev)["Properties"]["AirflowVersion"] == AIRFLOW_VERSION
    assert (ROOT / "requirements" / constraints).is_file()
    assert constraints in (ROOT / "dags/requirements.txt").read_text(encoding="utf-8")


def test_it_reads_what_the_same_deployment_uploads_once_that_is_there(dev: Any) -> None:
    resources = dev.templates["orchestration"]["Resources"]
    found = environment(dev)
    uploads = {
        name: resource["Properties"]["DestinationBucketKeyPrefix"]
        for name, resource in resources.items()
        if resource["Type"] == "Custom::CDKBucketDeployment"
    }
    given = found["Properties"]
    setup = given["RequirementsS3Path"].removesuffix("/requirements.txt")

    assert given["StartupScriptS3Path"] == f"{setup}/startup.sh"
    assert set(uploads.values()) == {given["DagS3Path"], setup}
    assert uploads.keys() <= set(found["DependsOn"])
    assert resources[given["SourceBucketArn"]["Fn::GetAtt"][0]]["Properties"]["BucketName"] == NAMES.dags_bucket


def test_what_containers_are_made_from_changes_the_environment_and_a_dag_does_not(
    checkout: Path, tmp_path: Path
) -> None:
    for folder in ("dags", "dbt", "sources", "requirements"):
        shutil.copytree(checkout / folder, tmp_path / folder)
    settings = load_settings("dev", {})

    def renews(file: str) -> bool:
        before = setup_digest(build_bundle(tmp_path / "bundle", tmp_path, settings))
        with (tmp_path / file).open("a", encoding="utf-8") as text:
            text.write("# changed\n")
        return setup_digest(build_bundle(tmp_path / "bundle", tmp_path, settings)) != before

    locks = ("requirements/dbt.txt", f"requirements/constraints-mwaa-{AIRFLOW_VERSION}.txt")
    made_from = ("dags/requirements.txt", "dags/startup.sh", *locks)
    synchronised = ("dags/ingest.py", "dbt/models/gold/sales.sql", "sources/fakestore/source.yaml")
    assert {file: renews(file) for file in made_from + synchronised} == dict.fromkeys(made_from, True) | dict.fromkeys(
        synchronised, False
    )


def test_it_is_in_two_private_subnets_with_a_group_of_its_own_and_encrypted(prod: Any) -> None:
    given = environment(prod)["Properties"]
    network = given["NetworkConfiguration"]

    assert len(network["SubnetIds"]) == 2
    assert all("Private" in json.dumps(subnet) for subnet in network["SubnetIds"])
    (group,) = network["SecurityGroupIds"]
    assert "NetworkAirflow" in json.dumps(group)
    assert "lake:ExportsOutputFnGetAttKey" in json.dumps(given["KmsKey"])


def test_the_pages_are_private_but_in_the_sandbox(every: dict[str, Any]) -> None:
    modes = {
        name: environment(assembly)["Properties"]["WebserverAccessMode"]
        for name, assembly in every.items()
        if assembly.resources("AWS::MWAA::Environment")
    }

    assert modes == {"dev": "PUBLIC_ONLY", "staging": "PRIVATE_ONLY", "prod": "PRIVATE_ONLY"}


def test_all_five_logs_are_kept_under_the_key_as_long_as_the_settings_say_and_are_there_first(prod: Any) -> None:
    found = environment(prod)
    groups = {
        group["Properties"]["LogGroupName"]: (path.split("/")[1], group["Properties"])
        for path, group in prod.resources("AWS::Logs::LogGroup").items()
        if group["Properties"]["LogGroupName"].startswith("airflow-")
    }
    kinds = ("DAGProcessing", "Scheduler", "Task", "WebServer", "Worker")

    assert set(groups) == {f"airflow-ingot-prod-{kind}" for kind in kinds}
    (key,) = (key for path, key in prod.resources("AWS::KMS::Key").items() if path.startswith("lake/"))
    for name, (resource, group) in groups.items():
        assert group["RetentionInDays"] == 365
        assert "lake:ExportsOutputFnGetAttKey" in json.dumps(group["KmsKeyId"])
        assert f"log-group:{name}" in json.dumps(key["Properties"]["KeyPolicy"])
        assert resource in found["DependsOn"]
    logging = found["Properties"]["LoggingConfiguration"]
    assert {kind: one["LogLevel"] for kind, one in logging.items()} == {
        "DagProcessingLogs": "WARNING",
        "SchedulerLogs": "WARNING",
        "TaskLogs": "INFO",
        "WebserverLogs": "WARNING",
        "WorkerLogs": "WARNING",
    }


def test_only_mwaa_takes_the_role_and_only_for_this_environment(dev: Any) -> None:
    role = environment(dev)["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0]
    trust = dev.templates["orchestration"]["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert {service for one in trust for service in as_list(one["Principal"]["Service"])} == {
        "airflow.amazonaws.com",
        "airflow-env.amazonaws.com",
    }
    for one in trust:
        assert one["Condition"]["StringEquals"] == {"aws:SourceAccount": NAMES.account}
        arn = f"arn:aws:airflow:{NAMES.region}:{NAMES.account}:environment/{NAMES.airflow}"
        assert one["Condition"]["ArnLike"] == {"aws:SourceArn": arn}


def test_the_key_is_used_through_services_only(dev: Any) -> None:
    uses = [s for s in rights(dev).values() if any(a.startswith("kms:") for a in as_list(s["Action"]))]

    assert len(uses) == 2
    for statement in uses:
        assert "lake:ExportsOutputFnGetAttKey" in json.dumps(statement["Resource"])
        (via,) = statement["Condition"].values()
        assert set(as_list(via["kms:ViaService"])) <= {
            f"{service}.us-east-1.amazonaws.com" for service in ("sqs", "s3", "secretsmanager")
        }


def test_rights_on_everything_are_the_three_that_know_no_resource(dev: Any) -> None:
    everything = {sid: s for sid, s in rights(dev).items() if s["Resource"] == "*"}

    assert {sid: s["Action"] for sid, s in everything.items()} == {
        "Public": "s3:GetAccountPublicAccessBlock",
        "FindLogs": "logs:DescribeLogGroups",
        "Metrics": "cloudwatch:PutMetricData",
    }
    assert everything["Metrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "AmazonMWAA"}}


# What the DAG folder needs, found by parsing and running it.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``dags/`` that dev's environment reads."""
    bundle = tmp_path_factory.mktemp("airflow") / "bundle"
    return build_bundle(bundle, ROOT, load_settings("dev", {})) / "dags"


@pytest.fixture(scope="module")
def tasks(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Every task of every DAG."""
    patch = pytest.MonkeyPatch()
    # The folder's modules are those of another environment, where another test has parsed that.
    modules = [file.stem for file in folder.glob("ingot_*.py")]
    others = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")
    patch.syspath_prepend(str(folder))
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="airflow")
    assert bag.import_errors == {}
    yield [task for dag in bag.dags.values() for task in dag.tasks]
    for name in modules:
        sys.modules.pop(name, None)
    sys.modules.update(others)
    patch.undo()


@pytest.fixture
def calls(cloud: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every call to AWS from here on, as ``(action, parameters)``; it is made, too."""
    from botocore.client import BaseClient

    made: list[tuple[str, dict[str, Any]]] = []
    make = BaseClient._make_api_call

    def record(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        made.append((f"{self.meta.service_model.signing_name}:{operation}", parameters))
        return make(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


@AIRFLOWS_OWN
def test_its_role_may_do_with_jobs_what_the_dags_do_with_theirs_and_nothing_else(
    dev: Any, tasks: list[Any], cloud: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    jobs = {task.job_name for task in tasks if hasattr(task, "job_name")}
    (step,) = {type(task) for task in tasks if hasattr(task, "job_name")}
    with deployed_job(min(jobs)):
        calls.clear()
        task = step(task_id="step", job_name=min(jobs), job_poll_interval=0.05, do_xcom_push=False)
        task.execute({"ti": TaskInstance()})
        task.on_kill()
        done = {action for action, parameters in calls if parameters["JobName"] == min(jobs)}

    allowed = rights(dev)["Jobs"]
    arns = {f"arn:aws:glue:{NAMES.region}:{NAMES.account}:job/{job}" for job in jobs}
    assert jobs >= {NAMES.job("fakestore", step) for step in ("extract", "refine", "load", "audit")}
    assert set(product(as_list(allowed["Action"]), as_list(allowed["Resource"]))) == set(product(done, arns))


@AIRFLOWS_OWN
def test_every_connection_and_variable_of_the_dags_is_found_by_workers_in_a_secret_that_the_role_may_read(
    dev: Any,
    tasks: list[Any],
    cloud: str,
    calls: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3
    from airflow.sdk import Connection
    from airflow.sdk.configuration import conf

    options = environment(dev)["Properties"]["AirflowConfigurationOptions"]
    as_variables = {f"AIRFLOW__{name.upper().replace('.', '__')}": value for name, value in options.items()}
    for name, value in (MWAA_DEFAULTS | as_variables).items():
        monkeypatch.setenv(name, value)
    rds = {"engine": "postgres", "host": "h", "port": 5432, "username": "ingot", "password": "p", "dbname": "shop"}
    secrets = {NAMES.warehouse_secret: json.dumps(rds), NAMES.mask_salt_secret: "s" * 48}
    client = boto3.client("secretsmanager")
    for name, value in secrets.items():
        client.create_secret(Name=name, SecretString=value)
    dbt = [task for task in tasks if hasattr(task, "profile_config")]
    calls.clear()

    try:
        backend = conf._get_custom_secret_backend(worker_mode=True)
        connections = {
            conn_id: backend.get_conn_value(conn_id)
            for conn_id in {task.profile_config.profile_mapping.conn_id for task in dbt}
        }
        variables = {key: backend.get_variable(key) for task in dbt for key in variables_of(json.dumps(task.env))}
        asked = [parameters["SecretId"] for _, parameters in calls]
        others = [
            backend.get_conn_value("aws_default"),
            backend.get_variable("anything"),
            backend.get_config("anything"),
        ]
    finally:
        for name in secrets:
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    assert list(connections) == ["warehouse"]
    connection = Connection.from_json(connections["warehouse"], conn_id="warehouse")
    assert (connection.conn_type, connection.login, connection.schema) == ("postgres", "ingot", "shop")
    assert variables == {"mask_salt": "s" * 48}
    assert others == [None, None, None]
    # These two are asked for and nothing else: the role may read them, and whatever else was asked would be refused.
    assert set(asked) == set(secrets)
    assert len(calls) == len(asked) + len(secrets), "and the two deletions"
    names = {
        output["Export"]["Name"]: dev.templates["warehouse"]["Resources"][output["Value"]["Ref"]]["Properties"]["Name"]
        for output in dev.templates["warehouse"]["Outputs"].values()
    }
    assert {names[one["Fn::ImportValue"]] for one in rights(dev)["Secrets"]["Resource"]} == set(secrets)


@AIRFLOWS_OWN
def test_the_salt_is_hidden_where_airflow_shows_what_a_task_was_given(dev: Any, tasks: list[Any]) -> None:
    from airflow.sdk._shared.secrets_masker import SecretsMasker

    options = environment(dev)["Properties"]["AirflowConfigurationOptions"]["core.sensitive_var_conn_names"].split(",")
    masker = SecretsMasker()
    masker.sensitive_variables_fields = options

    assert {"proxy", "proxies"} <= set(options), "MWAA's own, which ours take the place of"
    assert masker.should_hide_value_for_key("mask_salt")


def test_dags_read_no_variable_of_the_environment_that_startup_does_not_export(tmp_path: Path) -> None:
    read = {name for file in (ROOT / "dags").glob("*.py") for name in variables_read(file)}
    startup = f'set -a; source "{ROOT / "dags/startup.sh"}" && env'
    done = subprocess.run(
        ["/bin/bash", "-c", startup],
        env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), "MWAA_AIRFLOW_COMPONENT": "webserver"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert read == {"DBT_EXECUTABLE"}
    assert read <= {line.partition("=")[0] for line in done.stdout.splitlines()}


@AIRFLOWS_OWN
def test_dags_ask_airflow_for_no_variable_and_no_connection_but_in_sight(tasks: list[Any]) -> None:
    """Else the tests above would miss one."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "dags").glob("*.py"))
    seen = {key for task in tasks if hasattr(task, "profile_config") for key in variables_of(json.dumps(task.env))}

    assert variables_of(text) == seen
    assert not re.search(r"\bVariable\b|get_connection|BaseHook|\bvar\.json\b|\bconn\.\w+\.", text)


def test_secrets_are_configured_as_on_the_laptop_where_dags_run() -> None:
    from laptop.airflow import SECRETS

    given = json.loads(airflow_options("local")["secrets.backend_kwargs"])

    # The role may read nothing else, and a laptop's masks want no salt.
    assert given.pop("connections_lookup_pattern") == "^warehouse$"
    assert given.pop("variables_lookup_pattern") == "^mask_salt$"
    assert given == SECRETS | {"variables_prefix": "ingot/local"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_workers": 3, "max_workers": 2}, "min_workers is more than max_workers"),
        ({"environment_class": "mw1.micro", "max_workers": 1}, "one worker and one scheduler"),
        ({"schedulers": 1}, "two schedulers or more"),
        ({"maintenance": "SUN:03:15"}, "maintenance"),
        ({"webserver": "PUBLIC"}, "PUBLIC"),
    ],
)
def test_a_size_that_mwaa_has_not_is_refused(values: dict[str, Any], message: str) -> None:
    from infra.settings import Mwaa

    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(values, Mwaa)


def test_without_a_way_to_the_package_index_there_is_no_environment() -> None:
    settings = load_settings("dev", {})
    assert settings.network is not None

    with pytest.raises(ValueError, match="mwaa needs a network with nat"):
        msgspec.structs.replace(settings, network=msgspec.structs.replace(settings.network, nat=False))


class TaskInstance:
    """What the operator needs of one: somewhere to leave the run's id."""

    def xcom_push(self, key: str, value: object) -> None:
        self.run_id = value


@contextmanager
def deployed_job(name: str) -> Iterator[None]:
    """A job of that name, which does nothing."""
    import boto3

    bucket = f"airflow-{time.time_ns()}"
    trust = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
    boto3.client("s3").create_bucket(Bucket=bucket)
    boto3.client("s3").put_object(Bucket=bucket, Key="job.py", Body=b"")
    role = boto3.client("iam").create_role(
        RoleName=bucket, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    boto3.client("glue").create_job(
        Name=name,
        Role=role["Role"]["Arn"],
        GlueVersion="6.0",
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/job.py"},
    )
    yield
    boto3.client("glue").delete_job(JobName=name)


def variables_of(text: str) -> set[str]:
    """The Airflow variables in templates."""
    return set(re.findall(r"\bvar\.value\.(\w+)", text))


def variables_read(file: Path) -> Iterator[str]:
    """The names in ``os.environ[…]``, ``os.environ.get(…)`` and ``os.getenv(…)``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))):
                yield name
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ")) | ast.Attribute(attr="getenv"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
