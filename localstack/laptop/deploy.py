"""The stacks into the local cloud with the real ``cdk``: synthesised once an input, deployed once a cloud."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from ingot.naming import Names
from laptop.environment import ACCOUNT, ENVIRONMENT, REGION, tools_environment
from laptop.errors import LaptopError
from laptop.services import Laptop

NAMES = Names(environment=ENVIRONMENT, account=ACCOUNT, region=REGION)
INPUTS = ("infra", "ingot", "glue_jobs", "sources", "dags", "dbt", "requirements", "cdk.json", "pyproject.toml")
"""All that the templates and the assets are made from."""

Report = Callable[[str], None]
"""Takes a line of what goes on."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
_PARSED = {"manifest.json", "lineage.json"}  # of dbt's target, what is uploaded


class Deployment:
    """Synthesises and deploys, each only when something changed since it last succeeded."""

    def __init__(self, laptop: Laptop) -> None:
        self._laptop = laptop
        self._home = laptop.home
        self._synthesised = self._home.assembly / ".inputs"
        self._deployed = self._home.run / "deployed.json"

    def synth(self, report: Report) -> bool:
        """Make the assembly; returns False if the one at hand is of the same inputs.

        Raises:
            LaptopError: The app fails, or dbt's manifest is missing.
        """
        inputs = self._inputs()
        if self._synthesised.exists() and self._synthesised.read_text() == inputs:
            return False
        shutil.rmtree(self._home.assembly, ignore_errors=True)
        self._cdk(
            ["synth", "--quiet", "--output", str(self._home.assembly), "-c", f"environment={ENVIRONMENT}"],
            report,
            what="The CDK app could not be synthesised.",
        )
        self._synthesised.write_text(inputs)
        return True

    def deploy(self, report: Report) -> bool:
        """Deploy every stack; returns False if this running cloud already has them from this assembly.

        A cloud that others run, as in containers, may have lost them meanwhile: there nothing is left out.

        Raises:
            LaptopError: A stack fails.
        """
        cloud = self._cloud_identity()
        wanted = {"inputs": self._synthesised.read_text(), "cloud": cloud}
        if cloud and self._deployed.exists() and json.loads(self._deployed.read_text()) == wanted:
            return False
        self._deployed.unlink(missing_ok=True)
        assembly = ["--app", str(self._home.assembly)]
        if not self._is_bootstrapped():
            self._cdk(
                ["bootstrap", *assembly, f"aws://{ACCOUNT}/{REGION}"],
                report,
                what="The local cloud could not be bootstrapped for the CDK.",
            )
        self._cdk(
            [
                "deploy", "--all", *assembly,
                "--require-approval", "never", "--method", "direct", "--concurrency", "4", "--progress", "events",
            ],
            report,
            what="The stacks could not be deployed to the local cloud.",
        )  # fmt: skip
        self._deployed.write_text(json.dumps(wanted))
        return True

    def grant_warehouse(self) -> None:
        """Give the warehouse's user the password that the deployed secret holds, and its database.

        The secret is made by the stacks; that its user exists is up to whoever runs the Postgres.
        """
        answer = self._client("secretsmanager").get_secret_value(SecretId=NAMES.warehouse_secret)
        secret = json.loads(answer["SecretString"])
        self._laptop.postgres.ensure_role(secret["username"], secret["password"], owner_of=secret["dbname"])

    def sync_dags(self, folder: Path) -> tuple[int, int]:
        """Make the DAG folder equal to the bucket's ``dags/``, as MWAA does every half minute.

        Returns:
            How many files were written and how many removed.
        """
        bucket = self._client("s3")
        wanted: dict[str, bytes] = {}
        pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=NAMES.dags_bucket, Prefix="dags/")
        for entry in (entry for page in pages for entry in page.get("Contents", [])):
            body = bucket.get_object(Bucket=NAMES.dags_bucket, Key=entry["Key"])["Body"].read()
            wanted[entry["Key"].removeprefix("dags/")] = body
        if not wanted:
            raise LaptopError(
                f"The bucket {NAMES.dags_bucket} has no DAGs.",
                hint="The deployment did not upload the bundle: look at the events of its stack, or `make clean`.",
            )
        removed = [file for file in _files(folder) if str(file.relative_to(folder)) not in wanted]
        for file in removed:
            file.unlink()
        written = 0
        for name, body in wanted.items():
            target = folder / name
            if not target.exists() or target.read_bytes() != body:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
                written += 1
        if written or removed:
            # Airflow looks whether a DAG's own file has changed, not what the file reads.
            for file in folder.glob("*.py"):
                file.touch()
        return written, len(removed)

    def _client(self, service: str) -> object:
        variables = self._laptop.environment.variables
        return boto3.client(
            service,
            # In containers S3 may be another cloud's.
            endpoint_url=variables.get(f"AWS_ENDPOINT_URL_{service.upper()}") or variables["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def _is_bootstrapped(self) -> bool:
        try:
            self._client("ssm").get_parameter(Name=_BOOTSTRAP_PARAMETER)
        except ClientError:
            return False
        return True

    def _cloud_identity(self) -> str | None:
        """The running process, if it is ours: the cloud keeps objects over a restart, not the resources of stacks."""
        process = self._laptop.cloud.service.process()
        return f"{process.pid} {process.create_time()}" if process else None

    def _inputs(self) -> str:
        """A hash of every file that goes in and of the variables that the settings take."""
        digest = hashlib.sha256()
        for file in self._input_files():
            digest.update(f"{file.relative_to(self._home.checkout)}\0{file.stat().st_mode}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        variables = self._laptop.environment.variables
        for name in ("INGOT_WAREHOUSE_HOST", "INGOT_WAREHOUSE_PORT"):
            digest.update(f"{name}={variables[name]}\0".encode())
        return digest.hexdigest()

    def _input_files(self) -> Iterator[Path]:
        for name in INPUTS:
            path = self._home.checkout / name
            yield from [path] if path.is_file() else sorted(_sources(path))

    def _cdk(self, arguments: list[str], report: Report, *, what: str) -> None:
        log = self._home.logs / f"cdk-{arguments[0]}.log"
        environment = {
            **os.environ,
            **tools_environment(self._home),
            **self._laptop.environment.variables,
            "PATH": f"{self._home.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            # The CLI keeps a cache and a telemetry id there.
            "CDK_HOME": str(self._home.folder / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
            "NO_COLOR": "1",
        }
        with (
            log.open("w") as file,
            subprocess.Popen(
                [str(self._home.cdk), *arguments],
                cwd=self._home.checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                text = _ANSI.sub("", line).strip()
                if text and not text.startswith("b'!!"):  # jsii's frames around a notice about Node
                    report(text)
        if process.returncode:
            raise LaptopError(
                what,
                detail="\n".join(log.read_text().splitlines()[-30:]),
                hint=f"The whole output is {log}. The cloud's side of it is {self._laptop.cloud.service.log}.",
            )


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _sources(folder: Path) -> Iterator[Path]:
    """The files below a folder but for what tools leave behind; of dbt's target, what is uploaded."""
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        if folder.name == "dbt" and parts[0] in {"target", "logs"} and path.name not in _PARSED:
            continue
        yield path
