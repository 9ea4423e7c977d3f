"""Lake Formation over the lake's tables: what the contracts classify decides who reads a column."""

from __future__ import annotations

import re
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lakeformation as lakeformation
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.contract_table import PARTITION, ContractTable
from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource
from ingot.contract.lftags import CLASSIFICATIONS, lf_tags, tag_values
from ingot.sources import Source

_LAYER = "bronze"


class LakeFormation(Construct):
    """The location, the LF-tags, what carries them, and who may read what carries them.

    **In a fresh account** Lake Formation has no administrator, and every table that is made is open to whom IAM
    lets in (the group ``IAM_ALLOWED_PRINCIPALS``). What deploys therefore comes in this order:

    1. The role that CloudFormation deploys with makes itself a data lake administrator: to put the settings it
       takes IAM's permission only, which the role of ``cdk bootstrap`` has. It is added to those who administer
       already (``MutationType: APPEND``); without that, a deployment would take their place. The settings are the
       account's and not ours: they stay when the stack goes.
    2. As an administrator it registers the location, makes the tags and the grants. A registration on its own
       takes nothing from anybody: jobs go on reading and writing S3 with their own roles.
    3. The database says that its new tables are open to nobody (the stack makes it so). So a
       column is read by those who are granted its tag, and by administrators.

    **In an account that has the tables already** they stay open to IAM until somebody closes each of them, which
    CloudFormation cannot: ``aws lakeformation revoke-permissions --principal
    DataLakePrincipalIdentifier=IAM_ALLOWED_PRINCIPALS --permissions ALL --resource
    '{"Table": {"DatabaseName": "…", "Name": "…"}}'``.

    A reader also needs IAM's leave to ask at all: ``lakeformation:GetDataAccess``, ``glue:GetDatabase`` and
    ``glue:GetTable``, and the workgroup's (see :class:`infra.constructs.workgroup.Workgroup`).

    A table carries its strictest classification, and each column its own, so that one which nobody classified is
    closed. The keys are the environment's (``ingot-dev-classification``), since an account has one set of them.
    An association is only ever replaced, and CloudFormation takes the old one away after it has made the new one: a
    column that was in both would lose its tag. So old ones are retained; what the new ones say stands over them,
    and with a table or a tag its associations go.

    See https://docs.aws.amazon.com/lake-formation/latest/dg/tag-based-access-control.html

    Args:
        scope, id: as for every construct.
        deployment: what it is made from; its settings' ``lake_formation`` must be there.
        bucket: the lake's.
        key: the lake's.
        database: the tables'.
        sources: whose streams' contracts classify the columns.
        tables: source → stream → table.

    Example::

        LakeFormation(self, "LakeFormation", deployment, bucket=lake, key=key, database=database,
                      sources=sources, tables=tables)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        bucket: s3.IBucket,
        key: kms.IKey,
        database: glue.CfnDatabase,
        sources: Mapping[str, Source],
        tables: Mapping[str, Mapping[str, ContractTable]],
    ) -> None:
        super().__init__(scope, id)
        settings = deployment.settings.lake_formation
        assert settings is not None
        self._names, self._database = deployment.names, database
        self._settings = self._administrators(deployment, settings.admins)
        self._register(bucket, key)
        self._tags = {
            name: lakeformation.CfnTag(self, f"Tag-{name}", tag_key=self._key(name), tag_values=list(values))
            for name, values in tag_values(sources).items()
        }
        for tag in self._tags.values():
            tag.add_resource_dependency(self._settings)
        for source in sources.values():
            for stream in source.streams.values():
                table = tables[source.name][stream.name]
                tags = lf_tags(source.name, stream.contract)
                place = {"catalog_id": cdk.Aws.ACCOUNT_ID, "database_name": database.ref, "name": table.name}
                self._associate(
                    table,
                    "Tags",
                    {"table": lakeformation.CfnTagAssociation.TableResourceProperty(**place)},
                    tags.table,
                )
                # What the partition says is no more than when a batch ran, and every query names it.
                columns = {**tags.columns, "internal": (*tags.columns.get("internal", ()), PARTITION)}
                for classification, names in columns.items():
                    self._associate(
                        table,
                        f"Tags-{classification}",
                        {
                            "table_with_columns": lakeformation.CfnTagAssociation.TableWithColumnsResourceProperty(
                                column_names=list(names), **place
                            )
                        },
                        {"classification": classification},
                    )
        self._tag_database()
        for classification, principals in settings.readers.items():
            for principal in principals:
                self._let_read(principal, classification)

    def _key(self, name: str) -> str:
        return f"ingot-{self._names.environment}-{name}"

    def _arn(self, principal: str) -> str:
        """The ARN of a principal as the settings name it."""
        if principal.startswith("arn:"):
            return principal
        return cdk.Stack.of(self).format_arn(service="iam", region="", resource=principal)

    def _administrators(self, deployment: Deployment, admins: list[str]) -> lakeformation.CfnDataLakeSettings:
        arns = [self._arn(admin) for admin in admins]
        if deployment.settings.synthesizer == "default":
            # The synthesizer tells its role's ARN only to what it is bound to, which Python does not see.
            qualifier = self.node.try_get_context("@aws-cdk/core:bootstrapQualifier") or (
                cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
            )
            role = cdk.DefaultStackSynthesizer.DEFAULT_CLOUDFORMATION_ROLE_ARN.replace("${Qualifier}", qualifier)
            arns.insert(0, cdk.Fn.sub(role))
        settings = lakeformation.CfnDataLakeSettings(
            self,
            "Settings",
            admins=[
                lakeformation.CfnDataLakeSettings.DataLakePrincipalProperty(data_lake_principal_identifier=arn)
                for arn in arns
            ],
            mutation_type="APPEND",
        )
        settings.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return settings

    def _register(self, bucket: s3.IBucket, key: kms.IKey) -> None:
        """The role reads what is refined and nothing else: jobs write with their own.

        Whom it trusts: https://docs.aws.amazon.com/lake-formation/latest/dg/registration-role.html
        """
        objects = bucket.arn_for_objects(f"{_LAYER}/*")
        role = iam.Role(
            self,
            "Role",
            description=f"Ingot {self._names.environment}: Lake Formation reads the lake's tables for who may",
            assumed_by=iam.CompositePrincipal(
                iam.ServicePrincipal("lakeformation.amazonaws.com"), iam.ServicePrincipal("glue.amazonaws.com")
            ),
        )
        policy = iam.Policy(
            self,
            "Policy",
            roles=[role],
            statements=[
                iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]),
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": [_LAYER, f"{_LAYER}/*"]}},
                ),
                iam.PolicyStatement(actions=["kms:Decrypt"], resources=[key.key_arn]),
            ],
        )
        acknowledge(
            policy,
            {wildcard_resource(self, objects): "The registered location: every table's Parquet is below this prefix."},
        )
        location = lakeformation.CfnResource(
            self,
            "Location",
            resource_arn=bucket.arn_for_objects(_LAYER),
            use_service_linked_role=False,
            role_arn=role.role_arn,
        )
        location.node.add_dependency(policy, self._settings)

    def _associate(
        self,
        scope: Construct,
        id: str,
        resource: Mapping[str, object],
        values: Mapping[str, str],
    ) -> None:
        association = lakeformation.CfnTagAssociation(
            scope,
            id,
            resource=lakeformation.CfnTagAssociation.ResourceProperty(**resource),
            lf_tags=[
                lakeformation.CfnTagAssociation.LFTagPairProperty(
                    catalog_id=cdk.Aws.ACCOUNT_ID, tag_key=self._key(name), tag_values=[value]
                )
                for name, value in values.items()
            ],
        )
        association.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        association.node.add_dependency(*(self._tags[name] for name in values))
        if isinstance(scope, ContractTable):
            association.add_resource_dependency(scope.table)

    def _tag_database(self) -> None:
        self._associate(
            self,
            "Database",
            {
                "database": lakeformation.CfnTagAssociation.DatabaseResourceProperty(
                    catalog_id=cdk.Aws.ACCOUNT_ID, name=self._database.ref
                )
            },
            {"layer": _LAYER},
        )

    def _let_read(self, principal: str, classification: str) -> None:
        open_to = CLASSIFICATIONS[: CLASSIFICATIONS.index(classification) + 1]
        self._grant(principal, classification, "TABLE", ["DESCRIBE", "SELECT"], "classification", open_to)
        self._grant(principal, classification, "DATABASE", ["DESCRIBE"], "layer", (_LAYER,))

    def _grant(
        self, principal: str, classification: str, kind: str, permissions: list[str], tag: str, values: tuple[str, ...]
    ) -> None:
        name = re.sub(r"[^\w.-]+", "-", principal)
        grant = lakeformation.CfnPrincipalPermissions(
            self,
            f"{kind.capitalize()}-{classification}-{name}",
            principal=lakeformation.CfnPrincipalPermissions.DataLakePrincipalProperty(
                data_lake_principal_identifier=self._arn(principal)
            ),
            resource=lakeformation.CfnPrincipalPermissions.ResourceProperty(
                lf_tag_policy=lakeformation.CfnPrincipalPermissions.LFTagPolicyResourceProperty(
                    catalog_id=cdk.Aws.ACCOUNT_ID,
                    resource_type=kind,
                    expression=[
                        lakeformation.CfnPrincipalPermissions.LFTagProperty(
                            tag_key=self._key(tag), tag_values=list(values)
                        )
                    ],
                )
            ),
            permissions=permissions,
            permissions_with_grant_option=[],
        )
        grant.add_resource_dependency(self._tags[tag])
