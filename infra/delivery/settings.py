"""How changes reach the environments: the key ``delivery`` of ``infra/settings.yaml``, read and checked once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from infra.settings import DELIVERY, SETTINGS_FILE
from ingot.errors import ConfigurationError

Environment = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9]{1,11}$")]


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An environment that the pipeline deploys.

    Attributes:
        environment: which.
        approval: whether a person has to approve it first.
        smoke_test: whether its smoke test has to pass before the next one.
    """

    environment: Environment
    approval: bool = False
    smoke_test: bool = False


class Pipeline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipeline of CodePipeline, which deploys every commit of the branch.

    Attributes:
        connection: the ARN of the connection to the repository, which a person makes in the console (CodeConnections).
        stages: what it deploys, one after the other.
    """

    connection: Annotated[str, msgspec.Meta(pattern=r"^arn:aws[a-z-]*:(codeconnections|codestar-connections):.+$")]
    stages: Annotated[list[Stage], msgspec.Meta(min_length=1)]


class GitHub(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Roles for the workflows of GitHub Actions, which have no key.

    Attributes:
        environments: which may be deployed; each is an environment of the repository on GitHub too, which says who
            approves and from which branch.
        provider: the ARN of GitHub's OIDC provider in this account, of which there can be one; None: it is made.
    """

    environments: Annotated[list[Environment], msgspec.Meta(min_length=1)]
    provider: Annotated[str, msgspec.Meta(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:oidc-provider/.+$")] | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What deploys, and from where.

    Attributes:
        account: where the pipeline and the roles are; None: that of the credentials at hand.
        region: likewise.
        repository: ``OWNER/NAME`` on GitHub.
        branch: what is deployed.
        log_retention_days: how long builds' logs are kept.
        pipeline: CodePipeline; None: there is none.
        github: the roles for GitHub Actions; None: there are none.
    """

    account: Annotated[str, msgspec.Meta(pattern="^[0-9]{12}$")] | None
    region: str
    repository: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")]
    branch: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._/-]+$")]
    log_retention_days: Literal[7, 30, 90, 365]
    pipeline: Pipeline | None
    github: GitHub | None


def load_delivery(file: Path = SETTINGS_FILE) -> Delivery:
    """The settings of the delivery.

    Raises:
        ConfigurationError: what only the user knows is not filled in, a key is unknown or missing, or a value is wrong.
    """
    values = yaml.safe_load(file.read_text(encoding="utf-8"))[DELIVERY]
    missing = [] if values.get("repository") else ["repository"]
    if values.get("pipeline") and not values["pipeline"].get("connection"):
        missing.append("pipeline.connection")
    if missing:
        raise ConfigurationError(
            f"{file} does not say {' and '.join(f'{DELIVERY}.{name}' for name in missing)}.",
            hint="fill it in, as docs/how-to/delivery.md says; what is not wanted of pipeline and github is null",
        )
    try:
        return msgspec.convert(values, Delivery)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{file}, {DELIVERY}: {error}.", hint=f"correct the file; the keys are described in {Path(__file__).name}"
        ) from error
