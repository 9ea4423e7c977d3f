"""The delivery app on one page: what deploys the environments is deployed once by a person, and then by itself.

``cdk deploy --all --app "python -m infra.delivery.app"`` makes it; see docs/how-to/delivery.md. It is an app of its
own, so that `cdk deploy --all -c environment=dev` stays what it is: one environment, by whoever calls it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk

from infra.delivery.settings import Delivery, load_delivery
from infra.settings import SETTINGS_FILE, load_settings
from infra.stacks.delivery import GitHubStack, PipelineStack
from ingot.errors import ConfigurationError, IngotError
from ingot.naming import Names


def add_delivery(app: cdk.App, *, variables: Mapping[str, str], file: Path = SETTINGS_FILE) -> None:
    """Adds the stacks of the delivery that the settings ask for.

    Args:
        app: gets them.
        variables: the process's environment.
        file: the settings.

    Raises:
        ConfigurationError: a setting is wrong or missing.
    """
    delivery = load_delivery(file)
    account = delivery.account or variables.get("CDK_DEFAULT_ACCOUNT") or cdk.Aws.ACCOUNT_ID
    env = cdk.Environment(account=None if cdk.Token.is_unresolved(account) else account, region=delivery.region)
    names = _names(delivery, account, variables, file)

    if delivery.pipeline:
        for stage in delivery.pipeline.stages:
            if stage.smoke_test and names[stage.environment].account != account:
                raise ConfigurationError(
                    f"{stage.environment} is in another account, whose smoke test the pipeline cannot start.",
                    hint=f"set smoke_test of the stage to false in {file.name}, and start it there",
                )
        PipelineStack(app, delivery, names=names, env=env)
    if delivery.github:
        GitHubStack(app, delivery, names=names, env=env)


def _names(delivery: Delivery, account: str, variables: Mapping[str, str], file: Path) -> dict[str, Names]:
    """Environment → its names, of all that are deployed."""
    stages = [stage.environment for stage in delivery.pipeline.stages] if delivery.pipeline else []
    environments = delivery.github.environments if delivery.github else []
    names = {}
    for environment in dict.fromkeys((*stages, *environments)):
        settings = load_settings(environment, variables, file)
        names[environment] = Names(environment=environment, account=settings.account or account, region=settings.region)
    return names


def main() -> None:
    """Synthesises the app, as the CDK CLI asks."""
    app = cdk.App(builtin_cloud_formation_validation=False)  # the tests make it, as for infra/app.py
    try:
        add_delivery(app, variables=os.environ)
    except IngotError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
