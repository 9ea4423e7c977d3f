"""A stream's Glue Data Quality ruleset, derived from its contract."""

from __future__ import annotations

from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.constructs.contract_table import ContractTable
from infra.deployment import Deployment
from ingot.contract.dqdl import ruleset
from ingot.sources import Stream


class DataQuality(Construct):
    """What the refined table must be, as DQDL, beside the table in the catalog.

    The gate checks every record before it is loaded; this is the second opinion, by a tool that is not ours:
    ``aws glue start-data-quality-ruleset-evaluation-run`` evaluates it on the table. Nothing runs it by itself,
    as a run costs Glue's DPU-hours.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        stream: whose contract gives the rules.
        table: the stream's.

    Example::

        DataQuality(self, "Carts", deployment, stream=source.streams["carts"], table=table)
    """

    def __init__(
        self, scope: Construct, id: str, deployment: Deployment, *, stream: Stream, table: ContractTable
    ) -> None:
        super().__init__(scope, id)
        environment = deployment.settings.environment
        self.ruleset = glue.CfnDataQualityRuleset(
            self,
            "Ruleset",
            name=f"ingot-{environment}-{table.name}",
            description=f"{stream.contract.id}, version {stream.contract.version}",
            ruleset=ruleset(stream.contract),
            target_table=glue.CfnDataQualityRuleset.DataQualityTargetTableProperty(
                database_name=deployment.names.glue_database, table_name=table.name
            ),
        )
        self.ruleset.add_resource_dependency(table.table)
