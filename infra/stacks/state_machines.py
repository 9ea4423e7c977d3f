"""The orchestrator for those who want no Airflow: a Step Functions state machine a source."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from infra.constructs.dbt_task import DbtBuild
from infra.constructs.state_machine import SourceStateMachine
from infra.deployment import Deployment, IngotStack
from ingot.sources import Source


class StateMachinesStack(IngotStack):
    """A state machine a source, over the same Glue jobs as its DAG.

    Args:
        scope: the app, or a stage of a pipeline.
        deployment: what it is made from.
        sources: each gets one.
        key: the lake's.
        dbt: what builds silver and gold when a source is loaded.
            @default None: nothing is transformed.

    Raises:
        ConfigurationError: a source's schedule is one that a state machine cannot follow.
    """

    def __init__(
        self,
        scope: cdk.Stage,
        deployment: Deployment,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
        dbt: DbtBuild | None = None,
    ) -> None:
        super().__init__(
            scope, "state-machines", deployment, description="Ingot: a Step Functions state machine a source"
        )
        for name, source in sources.items():
            SourceStateMachine(self, name, deployment, source=source, key=key, dbt=dbt)
