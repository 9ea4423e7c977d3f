"""The commands, settings and health checks of docker-compose.yml, on this machine: another address, another folder."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import psutil
import psycopg
import pytest
import yaml
from laptop.deploy import NAMES, Deployment
from laptop.paths import Home
from laptop.services import Laptop

from infra.console_image import build_context
from tests.ports import free_port

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DATASOURCES = yaml.safe_load(
    (ROOT / "localstack/monitoring/grafana/provisioning/datasources/datasources.yml").read_text()
)
LOOPBACK = {"0.0.0.0": "127.0.0.1", "python": sys.executable}

# In Airflow's own process: is each command one of its, each setting known, and what do the password commands give?
ASK_AIRFLOW = """
import json, os, sys
from airflow.cli import cli_parser
from airflow.configuration import conf
for command in json.loads(sys.argv[1]):
    cli_parser.get_parser().parse_args(command)
known = conf.configuration_description
unknown = []
for name in os.environ:
    if name.startswith("AIRFLOW__"):
        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        plain = option.removesuffix("_cmd")
        described = known.get(section, {}).get("options", {})
        if plain not in described or (plain != option and not described[plain].get("sensitive")):
            unknown.append(name)
print(json.dumps({
    "unknown": unknown,
    "database": conf.get("database", "sql_alchemy_conn"),
    "secret": conf.get("api", "secret_key"),
    "jwt": conf.get("api_auth", "jwt_secret"),
    "secrets_backend": conf.getjson("secrets", "backend_kwargs"),
}))
"""


def environment(service: str) -> dict[str, str]:
    """What Compose gives the container without a ``.env``."""
    values = SERVICES[service]["environment"].items()
    return {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value).replace("$$", "$") for name, value in values}


def on_this_machine(words: list[str], **changed: str) -> list[str]:
    for old, new in (LOOPBACK | changed).items():
        words = [re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", new, word) for word in words]
    return words


def check(service: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """The health check of a service, once."""
    kind, *command = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    return subprocess.run(on_this_machine(command, **changed), cwd=ROOT, capture_output=True, text=True, check=False)


@contextmanager
def running(service: str, folder: Path, **changed: str) -> Iterator[int]:
    """A service by its command, until its health check passes; its process id. Ended by SIGTERM, cleanly."""
    assert check(service, **changed).returncode != 0
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'localstack'}{os.pathsep}{ROOT}"}
    with (folder / f"{service}.log").open("wb") as log:
        command = on_this_machine(SERVICES[service]["command"], **changed)
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 90
        while check(service, **changed).returncode != 0:
            assert process.poll() is None, (folder / f"{service}.log").read_text()
            assert time.monotonic() < deadline, (folder / f"{service}.log").read_text()
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def cloud_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The local cloud as the container runs it."""
    folder = tmp_path_factory.mktemp("cloud")
    port = str(free_port())
    with running("cloud", folder, **{"4566": port, "/var/lib/ingot/cloud": str(folder / "state")}) as process:
        variables = psutil.Process(process).environ()
        assert variables["INGOT_SOURCE_URL_FAKESTORE"] == "http://source:8090"
        assert variables["INGOT_SOURCE_URL_FX"] == "http://source:8090/fx"
        yield f"http://localhost:{port}"


def test_the_recorded_source_serves_by_its_command_and_its_check_notices(tmp_path: Path) -> None:
    with running("source", tmp_path, **{"8090": str(free_port())}):
        pass


def test_who_is_told_of_alerts_prints_them_and_its_check_notices(tmp_path: Path) -> None:
    port = str(free_port())
    alert = {"status": "firing", "labels": {"alertname": "late"}, "annotations": {"description": "what happened"}}
    with running("alerts", tmp_path, **{"9094": port}):
        httpx.post(f"http://localhost:{port}/", json={"alerts": [alert]}).raise_for_status()
        assert (tmp_path / "alerts.log").read_text() == "RINGS late\nwhat happened\n\n"


def test_the_console_s_image_serves_from_its_lock_and_what_its_dockerfile_copies(
    cloud_url: str, laptop: Laptop, warehouse_endpoint: Endpoint, tmp_path: Path
) -> None:
    """Its steps without an engine: the environment of the lock, the files of the build's context, the command."""
    python = ROOT / ".venv-ui" / "bin" / "python"
    assert python.exists(), "run `make .venv-ui/.made`, as `make test` does"
    context = build_context(tmp_path / "context", ROOT)
    shutil.copyfile(context / "infra/images/console/healthy.py", context / "healthy.py")
    port = str(free_port())
    text = (context / "Dockerfile").read_text()
    entry, command, health = (
        json.loads(re.findall(rf"^ *{name} (\[.+\])$", text, re.MULTILINE)[-1])
        for name in ("ENTRYPOINT", "CMD", "CMD(?= .*healthz)")
    )
    words = [{"python": str(python), "0.0.0.0": "127.0.0.1", "8080": port}.get(word, word) for word in entry + command]
    asked = [str(python), *(word.replace("8080", port) for word in health[1:])]
    variables = {
        **{name: value for name, value in environment("console").items() if name.startswith(("AWS_", "INGOT_E"))},
        **{f"AWS_ENDPOINT_URL{suffix}": cloud_url for suffix in ("", "_S3", "_KMS", "_LAMBDA")},
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(context),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
    }
    secret = {name: getattr(warehouse_endpoint, name) for name in warehouse_endpoint.__struct_fields__[:6]}
    vault = boto3.client("secretsmanager", endpoint_url=cloud_url)
    vault.create_secret(Name=f"{NAMES.warehouse_secret}_of_the_image", SecretString=json.dumps(secret))
    variables["INGOT_UI_WAREHOUSE_SECRET"] = f"{NAMES.warehouse_secret}_of_the_image"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=context, env=variables, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 90
        while subprocess.run(asked, cwd=context, capture_output=True, check=False).returncode != 0:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert subprocess.run(asked, cwd=context, capture_output=True, check=False).returncode == 1, "it has ended"


@pytest.fixture(scope="module")
def deploy() -> ModuleType:
    """The script of the service that deploys."""
    script = SERVICES["deploy"]["command"][1]
    spec = importlib.util.spec_from_file_location("compose_deploy", ROOT / script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there for their types
    spec.loader.exec_module(module)
    return module


def test_the_service_that_deploys_makes_the_warehouses_user_and_fills_the_dag_folder(
    deploy: ModuleType, cloud_url: str, laptop: Laptop, warehouse_endpoint: Endpoint, tmp_path: Path
) -> None:
    """With what the stacks leave behind made by hand: that `cdk deploy` leaves it is shown by the demo."""
    password = tmp_path / "password"
    password.write_text(laptop.memory.secret("postgres"))
    given = {
        **environment("deploy"),
        **{name: cloud_url for name in environment("deploy") if name.startswith("AWS_ENDPOINT_URL")},
        "INGOT_WAREHOUSE_HOST": laptop.postgres.host,
        "INGOT_WAREHOUSE_PORT": str(laptop.postgres.port),
        "POSTGRES_PASSWORD_FILE": str(password),
    }
    user = {"username": "of_the_containers", "password": "generated by a stack", "dbname": warehouse_endpoint.dbname}
    clients = {name: boto3.client(name, endpoint_url=cloud_url) for name in ("s3", "secretsmanager")}
    clients["secretsmanager"].create_secret(Name=NAMES.warehouse_secret, SecretString=json.dumps(user))
    clients["s3"].create_bucket(Bucket=NAMES.dags_bucket)
    clients["s3"].put_object(Bucket=NAMES.dags_bucket, Key="dags/ingest.py", Body=b"# a DAG")

    grafanas = tmp_path / "grafana"
    grafanas.write_text("the dashboards'\n")
    given["GRAFANA_DATABASE_PASSWORD_FILE"] = str(grafanas)
    containers = deploy.Containers(home=replace(laptop.home, folder=tmp_path), given=given)
    deployment = Deployment(containers)
    deployment.grant_warehouse()
    deploy.grant_grafana(containers.postgres, given, user["dbname"])
    assert deployment.sync_dags(tmp_path / "dags") == (1, 0)

    assert (tmp_path / "dags/ingest.py").read_text() == "# a DAG"
    with psycopg.connect(
        host=laptop.postgres.host,
        port=laptop.postgres.port,
        user=user["username"],
        password=user["password"],
        dbname=user["dbname"],
    ) as connection:
        owner = connection.execute(
            "select datdba::regrole::text from pg_database where datname = current_database()"
        ).fetchone()
    assert owner == ("of_the_containers",)
    source = next(each for each in DATASOURCES["datasources"] if each["name"] == "Warehouse")
    assert source["jsonData"]["database"] == deploy.DATABASE
    with psycopg.connect(
        host=laptop.postgres.host,
        port=laptop.postgres.port,
        user=source["user"],
        password="the dashboards'",
        dbname=user["dbname"],
    ) as connection:
        rights = "select has_schema_privilege(%s, 'usage'), has_schema_privilege(%s, 'create')"
        assert connection.execute(rights, ["gold", "gold"]).fetchone() == (True, False)


def test_a_deployment_that_fails_says_why_and_fails_its_container(
    deploy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path, checkout=tmp_path)  # with nothing in it
    (home.logs).mkdir()
    home.cdk.parent.mkdir(parents=True)
    home.cdk.write_text("#!/bin/sh\necho no app here\nexit 1\n")
    home.cdk.chmod(0o755)
    for name in ("infra", "ingot", "glue_jobs", "sources", "dags", "dbt", "requirements"):
        (tmp_path / name).mkdir()
    for name in ("cdk.json", "pyproject.toml"):
        (tmp_path / name).touch()
    given = {**environment("deploy"), "POSTGRES_PASSWORD_FILE": os.devnull}

    assert deploy.main(home, given) == 1
    assert "no app here" in capsys.readouterr().err


def test_airflow_knows_every_command_and_setting_and_finds_its_passwords(tmp_path: Path) -> None:
    parts = {name: service for name, service in SERVICES.items() if name.startswith("airflow-")}
    assert len(parts) == 5
    (environment_of_all,) = {json.dumps(environment(name)) for name in parts}
    for secret in ("airflow_database_password", "airflow_api_secret", "airflow_jwt_secret"):
        assert all(secret in service["secrets"] for service in parts.values())
        (tmp_path / secret).write_text(f"the-{secret}\n")
    variables = json.loads(environment_of_all.replace("/run/secrets", str(tmp_path)))
    variables |= {"AIRFLOW_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ours = {name: value for name, value in variables.items() if not name.startswith("AIRFLOW__COSMOS")}

    commands = [service["command"][1:] for service in parts.values()]
    done = subprocess.run(
        [sys.executable, "-c", ASK_AIRFLOW, json.dumps(commands)], env=ours, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {
        "unknown": [],
        "database": "postgresql+psycopg2://airflow:the-airflow_database_password@postgres/airflow",
        "secret": "the-airflow_api_secret",
        "jwt": "the-airflow_jwt_secret",
        "secrets_backend": json.loads(variables["AIRFLOW__SECRETS__BACKEND_KWARGS"]),
    }


@pytest.mark.parametrize(("status", "passes"), [("healthy", True), ("unhealthy", False), (None, False)])
def test_the_check_of_a_part_of_airflow_believes_what_airflow_says_of_it(status: str | None, passes: bool) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/v2/monitor/health"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"scheduler": {"status": status}}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = {"airflow-api-server:8080": f"127.0.0.1:{server.server_port}"}
        assert (check("airflow-scheduler", **address).returncode == 0) == passes
        server.shutdown()


def test_passwords_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    file, other = tmp_path / ".env", tmp_path / "other"
    make = [sys.executable, str(ROOT / "localstack/compose/make_env.py")]
    subprocess.run([*make, str(file)], check=True)
    subprocess.run([*make, str(other)], check=True)
    made = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert set(made) == {secret["environment"] for secret in COMPOSE["secrets"].values()}
    assert len(set(made.values())) == len(made)
    assert all(len(value) >= 32 for value in made.values())
    assert other.read_text() != file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    subprocess.run([*make, str(file)], check=True)
    assert file.read_text() == before
    older = [line for line in before.splitlines() if not line.startswith("GRAFANA")]
    file.write_text("\n".join([*older, "COMPOSE_PROFILES=localstack"]))
    subprocess.run([*make, str(file)], check=True)
    lines = file.read_text().splitlines()
    assert lines[: len(older) + 1] == [*older, "COMPOSE_PROFILES=localstack"]
    assert {line.split("=")[0] for line in lines} == set(made) | {"COMPOSE_PROFILES"}
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False).returncode == 0
