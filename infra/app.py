"""The CDK app on one page: the environment, the stacks and the arrows between them.

``cdk deploy --all -c environment=dev`` runs it as a module of the checkout (see cdk.json): started by its
path, Python would find our ``constructs`` folder where the CDK looks for the library of that name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk

from infra.deployment import Deployment
from infra.settings import SETTINGS_FILE, load_settings
from infra.stacks.catalog import CatalogStack
from infra.stacks.console import ConsoleStack
from infra.stacks.jobs import JobsStack
from infra.stacks.lake import LakeStack
from infra.stacks.network import NetworkStack
from infra.stacks.observability import ObservabilityStack
from infra.stacks.orchestration import OrchestrationStack
from infra.stacks.smoke_test import SmokeTestStack
from infra.stacks.state_machines import StateMachinesStack
from infra.stacks.stream import StreamStack, delivered
from infra.stacks.transform import TransformStack
from infra.stacks.warehouse import WarehouseStack
from ingot.errors import IngotError
from ingot.naming import Names
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_ENVIRONMENT = "dev"


def add_stacks(
    app: cdk.App, *, root: Path, build: Path, variables: Mapping[str, str], file: Path = SETTINGS_FILE
) -> None:
    """Adds every stack of the environment that the context names.

    Args:
        app: its context may hold ``environment`` and ``allow_data_deletion``.
        root: the checkout that is deployed.
        build: a folder for what is built on the way.
        variables: the process's environment.
        file: the settings of all environments.

    Raises:
        ConfigurationError: a setting, a source or a file of the checkout is wrong or missing.
    """
    settings = load_settings(app.node.try_get_context("environment") or DEFAULT_ENVIRONMENT, variables, file)
    # The CLI passes the account of the credentials; without any, the template refers to the one it lands in.
    account = settings.account or variables.get("CDK_DEFAULT_ACCOUNT") or cdk.Aws.ACCOUNT_ID
    deployment = Deployment(
        settings=settings,
        names=Names(environment=settings.environment, account=account, region=settings.region),
        root=root,
        build=build,
        allow_data_deletion=str(app.node.try_get_context("allow_data_deletion")).lower() == "true",
    )
    sources = load_sources(root / "sources")

    lake = LakeStack(app, deployment, sources)
    CatalogStack(app, deployment, sources, key=lake.key, access_logs=lake.access_logs)
    network = NetworkStack(app, deployment, settings.network, key=lake.key).network if settings.network else None
    warehouse = WarehouseStack(app, deployment, key=lake.key, network=network)
    jobs = JobsStack(
        app,
        deployment,
        sources,
        key=lake.key,
        warehouse=warehouse.secret,
        warehouse_rights=warehouse.job_rights,
        network=network,
    )
    jobs.add_stack_dependency(lake)
    OrchestrationStack(
        app,
        deployment,
        key=lake.key,
        access_logs=lake.access_logs,
        network=network,
        warehouse=warehouse.secret,
        salt=warehouse.mask_salt,
        sources=sources,
    )
    if settings.event_streams and delivered(sources):
        streams = StreamStack(app, deployment, settings.event_streams, sources, key=lake.key)
        streams.add_stack_dependency(lake)
    console = None
    if settings.console:
        assert network is not None  # the settings want one
        assert warehouse.reader is not None  # who looks at it is a user of the warehouse
        console = ConsoleStack(
            app,
            deployment,
            settings.console,
            sources,
            key=lake.key,
            access_logs=lake.access_logs,
            network=network,
            warehouse=warehouse.secret,
            reader=warehouse.reader,
        )
        console.add_stack_dependency(jobs)
    if settings.observability:
        measured = console.measured if console else {}
        ObservabilityStack(app, deployment, settings.observability, sources, key=lake.key, console=measured)
    dbt = None
    if settings.dbt_task and network:
        dbt = TransformStack(
            app,
            deployment,
            settings.dbt_task,
            key=lake.key,
            warehouse=warehouse.secret,
            salt=warehouse.mask_salt if settings.dbt_task.mask_salt else None,
            network=network,
        ).dbt
    if settings.step_functions:
        StateMachinesStack(app, deployment, sources, key=lake.key, dbt=dbt).add_stack_dependency(jobs)
    if settings.smoke_test:
        SmokeTestStack(
            app,
            deployment,
            settings.smoke_test,
            key=lake.key,
            warehouse=warehouse.secret,
            warehouse_rights=warehouse.job_rights,
            salt=warehouse.mask_salt,
            network=network if settings.network and settings.network.nat else None,
        )


def main() -> None:
    """Synthesises the app, as the CDK CLI asks."""
    # The CDK's own check of templates takes two thirds of the time. The tests make it, with cdk-nag's.
    app = cdk.App(builtin_cloud_formation_validation=False)
    try:
        add_stacks(app, root=ROOT, build=ROOT / "build", variables=os.environ)
    except IngotError as error:
        sys.exit(str(error))  # says what to do next; where in the code it was found helps nobody
    app.synth()


if __name__ == "__main__":
    main()
