"""A checkout to deploy, and what the CDK makes of it: once an environment, as starting jsii is slow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import yaml

import infra  # noqa: F401  (first: silences jsii's notice about Node 20 before aws_cdk starts it)

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENTS = ("local", "dev", "staging", "prod")
VARIABLES = {
    "CDK_DEFAULT_ACCOUNT": "111111111111",
    "INGOT_WAREHOUSE_HOST": "localhost",
    "INGOT_WAREHOUSE_PORT": "5433",
}
FILES = {
    "README.md": "# Ingot\n",
    "glue_jobs/extract.py": "print('extract')\n",
    "glue_jobs/refine.py": "print('refine')\n",
    "glue_jobs/load.py": "print('load')\n",
    "glue_jobs/audit.py": "print('audit')\n",
    "glue_jobs/replay.py": "print('replay')\n",
    "glue_jobs/rebuild.py": "print('rebuild')\n",
    "dags/requirements.txt": "astronomer-cosmos\n",
    "dags/startup.sh": "#!/bin/sh\n",
    "dags/.airflowignore": "dbt/\n",
    "dags/ingest.py": "dag = None\n",
    "dags/__pycache__/ingest.cpython-312.pyc": "bytecode",
    "sources/fakestore/recorded/api.yaml": "paths: {}\n",
    "sources/fakestore/recorded/landing/carts/one.csv": "id\n1\n",
    "dbt/dbt_project.yml": "name: shop\n",
    "dbt/models/gold/sales.sql": "select 1\n",
    "dbt/.user.yml": "id: somebody\n",
    "dbt/logs/dbt.log": "a log\n",
    "dbt/target/manifest.json": '{"nodes": {}}\n',
    "dbt/target/lineage.json": "[]\n",
    "dbt/target/run_results.json": "{}\n",
    "dbt/target/compiled/sales.sql": "select 1\n",
}


@dataclass(frozen=True)
class Assembly:
    """One environment as synthesised: purpose → template, and cdk-nag's findings as ``(rule, path)``.

    ``files`` are the templates as they were written, in the same order; ``seconds`` is what the synthesis took.
    """

    environment: str
    templates: dict[str, dict[str, Any]]
    findings: list[tuple[str, str]]
    files: tuple[Path, ...]
    seconds: float

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """``{purpose}/{logical id}`` → resource, of one type, over all stacks."""
        return {
            f"{purpose}/{name}": resource
            for purpose, template in self.templates.items()
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind
        }

    def resources_besides(self, other: Assembly) -> dict[str, dict[str, Any]]:
        """``{purpose}/{logical id}`` → resource: those that the other one does not have."""
        return {
            f"{purpose}/{name}": resource
            for purpose, template in self.templates.items()
            for name, resource in template["Resources"].items()
            if name not in other.templates.get(purpose, {"Resources": {}})["Resources"]
        }


@pytest.fixture(scope="session")
def make_checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes checkouts: the real library and sources, and small stand-ins for what others generate."""

    def make() -> Path:
        root = tmp_path_factory.mktemp("checkout")
        for folder in ("ingot", "sources", "requirements"):
            shutil.copytree(ROOT / folder, root / folder)
        shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
        for name, content in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        return root

    return make


@pytest.fixture(scope="session")
def checkout(make_checkout: Callable[[], Path]) -> Path:
    """A checkout that no test changes."""
    return make_checkout()


@pytest.fixture(scope="session")
def guarded(synthesise: Callable[..., Assembly], make_checkout: Callable[[], Path]) -> Assembly:
    """The laptop's environment, if the source asked for credentials."""
    root = make_checkout()
    with (root / "sources/fakestore/source.yaml").open("a", encoding="utf-8") as file:
        file.write("auth:\n  type: bearer\n")
    return synthesise("local", root)


@pytest.fixture(scope="session")
def synthesise(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Assembly]:
    """``synthesise(environment, root, settings, **context)``: the app with cdk-nag over it, as in cdk.json."""

    @cache
    def run(environment: str, root: Path = checkout, settings: Path | None = None, **context: str) -> Assembly:
        # Imported here: it takes seconds, which a test of the settings alone should not.
        import aws_cdk as cdk
        from cdk_nag import AwsSolutionsChecks

        from infra.app import add_stacks
        from infra.settings import SETTINGS_FILE

        flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        out = tmp_path_factory.mktemp(f"cdk-{environment}")
        app = cdk.App(
            outdir=str(out),
            analytics_reporting=False,
            context={**flags, "environment": environment, **context},
        )
        begun = perf_counter()
        add_stacks(app, root=root, build=out / "build", variables=VARIABLES, file=settings or SETTINGS_FILE)
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        return _assembly(app, environment, out, begun)

    return run


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The delivery app, with what only the user knows filled in."""
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks

    from infra.delivery.app import add_delivery

    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    out = tmp_path_factory.mktemp("cdk-delivery")
    app = cdk.App(outdir=str(out), analytics_reporting=False, context=flags)
    begun = perf_counter()
    add_delivery(app, variables=VARIABLES, file=delivery_settings(out))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return _assembly(app, "delivery", out, begun)


def delivery_settings(folder: Path, **changes: Any) -> Path:
    """The settings of the repository, with the delivery's filled in."""
    every = yaml.safe_load((ROOT / "infra/settings.yaml").read_text(encoding="utf-8"))
    every["delivery"] |= {"repository": "example/shop"}
    every["delivery"]["pipeline"]["connection"] = "arn:aws:codeconnections:us-east-1:111111111111:connection/0c3f"
    every["delivery"] |= changes
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(every), encoding="utf-8")
    return file


def _assembly(app: Any, environment: str, out: Path, begun: float) -> Assembly:
    """What an app synthesises, with the findings of the rules that were added to it."""
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):  # findings: a test shows them, by name
            raise
    seconds = perf_counter() - begun
    report = json.loads((out / "validation-report.json").read_text(encoding="utf-8"))
    prefix, suffix = f"ingot-{environment}-", ".template.json"
    files = tuple(sorted(out.glob(f"{prefix}*{suffix}")))
    return Assembly(
        environment=environment,
        templates={
            file.name.removeprefix(prefix).removesuffix(suffix): json.loads(file.read_text(encoding="utf-8"))
            for file in files
        },
        findings=[
            (violation["ruleName"], where["constructPath"])
            for plugin in report["pluginReports"]
            for violation in plugin["violations"]
            for where in violation["violatingConstructs"]
        ],
        files=files,
        seconds=seconds,
    )


@pytest.fixture(scope="session")
def local(synthesise: Callable[..., Assembly]) -> Assembly:
    """The laptop's environment."""
    return synthesise("local")


@pytest.fixture(scope="session")
def every(synthesise: Callable[..., Assembly]) -> dict[str, Assembly]:
    """All environments, by name."""
    return {environment: synthesise(environment) for environment in ENVIRONMENTS}


@pytest.fixture(scope="session")
def prod(synthesise: Callable[..., Assembly]) -> Assembly:
    """The environment that protects its data."""
    return synthesise("prod")


@pytest.fixture(scope="session")
def with_console(synthesise: Callable[..., Assembly], tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The environment that protects its data, with a console, which no environment of the repository has."""
    from tests.console_example import console_settings

    return synthesise("prod", settings=console_settings(tmp_path_factory.mktemp("console"), "prod", tasks=2))


@pytest.fixture(scope="session")
def warehouse_stacks(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Assembly]:
    """``warehouse_stacks(network, warehouse)``: these two stacks, with other settings and no account known, and in
    ``jobs`` the load of a source."""

    def run(network: Any, warehouse: Any, *, allow_data_deletion: bool = False) -> Assembly:
        import aws_cdk as cdk
        import msgspec
        from aws_cdk import aws_kms as kms
        from aws_cdk import aws_logs as logs
        from aws_cdk import aws_s3 as s3
        from cdk_nag import AwsSolutionsChecks

        from infra.constructs.step_job import Platform, StepJob
        from infra.deployment import Deployment, IngotStack
        from infra.job_code import Code
        from infra.settings import load_settings
        from infra.stacks.network import NetworkStack
        from infra.stacks.warehouse import WarehouseStack
        from ingot.naming import Names

        flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        out = tmp_path_factory.mktemp("cdk-warehouse")
        begun = perf_counter()
        app = cdk.App(outdir=str(out), analytics_reporting=False, context=flags)
        settings = load_settings("local", VARIABLES)
        deployment = Deployment(
            settings=msgspec.structs.replace(settings, network=network, warehouse=warehouse),
            names=Names(environment="local", account=cdk.Aws.ACCOUNT_ID, region="us-east-1"),
            root=ROOT,
            build=out,
            allow_data_deletion=allow_data_deletion,
        )
        key = kms.Key(IngotStack(app, "lake", deployment, description="The key"), "Key", enable_key_rotation=True)
        inside = NetworkStack(app, deployment, network, key=key).network
        stack = WarehouseStack(app, deployment, key=key, network=inside)
        jobs = IngotStack(app, "jobs", deployment, description="The load")
        platform = Platform(
            names=deployment.names,
            buckets={
                purpose: s3.Bucket.from_bucket_name(jobs, purpose, name)
                for purpose, name in deployment.lake_buckets.items()
            },
            key=key,
            warehouse=stack.secret,
            warehouse_rights=stack.job_rights,
            connection=None,
            log_prefix="/jobs",
            log_groups=(logs.LogGroup(jobs, "Log"),),
            code=Code(archive=out / "code.zip", modules="wheels/ingot.gluewheels.zip"),
        )
        StepJob(jobs, "load", platform=platform, source="fakestore", step="load")
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        return _assembly(app, "local", out, begun)

    return run
