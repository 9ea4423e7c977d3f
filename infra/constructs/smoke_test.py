"""The smoke test of an environment as a CodeBuild project, where the warehouse can be reached."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.network import PrivateNetwork
from infra.constructs.redshift import DATA_API_REASONS
from infra.deployment import Deployment
from infra.files import IGNORED, empty_folder
from infra.job_code import build_wheel
from infra.nag import acknowledge, wildcard_resource
from infra.settings import SmokeTest
from ingot.naming import STEPS, Names

IMAGE = "aws/codebuild/standard:7.0"
"""Ubuntu 22.04. The tag's patches are AWS's; the runtime is named in the build's phases. A finer tag would be fetched
at each build, as only this one is kept on AWS's machines
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html)."""
PYTHON = "3.13"
"""Of the image's, the one that the locks of the library (Glue's) and of dbt both have wheels for."""
TIMEOUT = cdk.Duration.hours(1)
_SCRIPT = Path("infra/delivery/smoke_test.py")
_LOCKS = ("glue.txt", "dbt.txt")


class SmokeTestProject(Construct):
    """A CodeBuild project that runs ``infra/delivery/smoke_test.py`` in this environment.

    It is in the network where the warehouse is there, with the security group of what speaks to the warehouse, and
    installs what the locks pin from the package index, by hash: inside, through NAT. Its role starts the source's jobs
    (or its state machine), reads the manifests of that source, and reads the warehouse's secret: dbt builds with it.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: see :class:`infra.settings.SmokeTest`.
        key: the lake's.
        warehouse: the secret.
        warehouse_rights: what reaching the warehouse takes besides.
            @default none
        salt: what dbt's masks are salted with.
            @default None: a warehouse on this machine asks for none.
        network: where the warehouse is.
            @default None: outside of ours.

    Attributes:
        project: the project.

    Example::

        SmokeTestProject(self, "SmokeTest", deployment, settings=SmokeTest(source="fakestore", first_day=day), …)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: SmokeTest,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        warehouse_rights: Sequence[iam.PolicyStatement] = (),
        salt: secretsmanager.ISecret | None = None,
        network: PrivateNetwork | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._deployment, self._source, self._key = deployment, settings.source, key
        names = deployment.names
        log = EncryptedLogGroup(self, "Log", deployment, name=names.smoke_test_log, key=key).group
        code = s3_assets.Asset(self, "Code", path=str(build_smoke_test(deployment.build / "smoke", deployment.root)))
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
            description=f"Smoke test of {names.environment}",
            inline_policies={
                "Test": iam.PolicyDocument(
                    statements=[*self._statements(warehouse, salt), *(right.copy() for right in warehouse_rights)]
                )
            },
        )
        self.project = codebuild.Project(
            self,
            "Project",
            project_name=names.smoke_test,
            description=f"A day of {settings.source} through what is deployed, dbt, and a look at gold",
            role=role,
            source=codebuild.Source.s3(bucket=code.bucket, path=code.s3_object_key),
            build_spec=codebuild.BuildSpec.from_object(self._build_spec(settings)),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.from_code_build_image_id(IMAGE),
                compute_type=codebuild.ComputeType.SMALL,
                environment_variables={"INGOT_MASK_SALT": _secret(salt)} if salt else None,
            ),
            encryption_key=key,
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log)),
            timeout=TIMEOUT,
            grant_report_group_permissions=False,
            **(
                {
                    "vpc": network.vpc,
                    "subnet_selection": ec2.SubnetSelection(subnets=network.subnets),
                    "security_groups": [network.clients],
                }
                if network
                else {}
            ),
        )
        self._explain(role, bool(warehouse_rights))

    def _build_spec(self, settings: SmokeTest) -> dict[str, object]:
        deployment = self._deployment
        runner = "state-machine" if deployment.settings.step_functions else "jobs"
        return {
            "version": "0.2",
            "phases": {
                "install": {
                    "runtime-versions": {"python": PYTHON},
                    "commands": [
                        "python -m venv .venv .venv-dbt",
                        ".venv/bin/pip install --quiet --require-hashes --requirement requirements/glue.txt",
                        ".venv/bin/pip install --quiet --no-deps ingot-*.whl",
                        ".venv-dbt/bin/pip install --quiet --require-hashes --requirement requirements/dbt.txt",
                    ],
                },
                "build": {
                    "commands": [
                        f"DBT_EXECUTABLE=.venv-dbt/bin/dbt .venv/bin/python {_SCRIPT.name}"
                        f" --environment {deployment.names.environment} --source {settings.source}"
                        f" --first-day {settings.first_day.isoformat()} --runner {runner} --dbt dbt"
                    ]
                },
            },
        }

    def _statements(
        self, warehouse: secretsmanager.ISecret, salt: secretsmanager.ISecret | None
    ) -> Iterable[iam.PolicyStatement]:
        names, stack = self._deployment.names, cdk.Stack.of(self)
        if self._deployment.settings.step_functions:
            machine = names.state_machine(self._source)
            yield iam.PolicyStatement(
                sid="Start", actions=["states:StartExecution"], resources=[self._states("stateMachine", machine)]
            )
            yield iam.PolicyStatement(
                sid="Watch", actions=["states:DescribeExecution"], resources=[self._states("execution", f"{machine}:*")]
            )
        else:
            yield iam.PolicyStatement(
                sid="Jobs",
                actions=["glue:StartJobRun", "glue:GetJobRun"],
                resources=[
                    stack.format_arn(service="glue", resource="job", resource_name=names.job(self._source, step))
                    for step in STEPS
                ],
            )
        yield iam.PolicyStatement(sid="Read", actions=["s3:GetObject"], resources=list(self._objects()))
        yield iam.PolicyStatement(
            sid="List",
            actions=["s3:ListBucket"],
            resources=[self._s3(names.artifacts_bucket), self._s3(names.bronze_bucket)],
            conditions={"StringLike": {"s3:prefix": ["sources/*", f"manifests/{self._source}/*"]}},
        )
        yield iam.PolicyStatement(
            sid="Warehouse",
            actions=["secretsmanager:GetSecretValue"],
            resources=[secret.secret_arn for secret in (warehouse, salt) if secret],
        )

    def _objects(self) -> Iterable[str]:
        names = self._deployment.names
        yield self._s3(f"{names.artifacts_bucket}/sources/{self._source}/*")
        yield self._s3(f"{names.bronze_bucket}/manifests/{self._source}/*")

    def _s3(self, path: str) -> str:
        return f"arn:{cdk.Aws.PARTITION}:s3:::{path}"

    def _states(self, resource: str, name: str) -> str:
        return cdk.Stack.of(self).format_arn(
            service="states", resource=resource, resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def _explain(self, role: iam.Role, redshift: bool) -> None:
        """The findings of cdk-nag that are right here, and why."""
        stack = cdk.Stack.of(self)
        keys = "Manifests and contracts of one source; their names are known to the run."
        reasons = {wildcard_resource(self, arn): keys for arn in self._objects()}
        if self._deployment.settings.step_functions:
            executions = self._states("execution", f"{self._deployment.names.state_machine(self._source)}:*")
            reasons[wildcard_resource(self, executions)] = "An execution's name is given when it is started."
        acknowledge(role, {**reasons, **(DATA_API_REASONS if redshift else {})})
        granted = "The CDK's own grant: on the asset, the key, the project's logs and the network's interfaces alone."
        actions = ("s3:GetObject*", "s3:GetBucket*", "s3:List*", "kms:ReEncrypt*", "kms:GenerateDataKey*")
        logical_id = stack.resolve(self.project.node.default_child.logical_id)  # type: ignore[union-attr]
        log_group = f"log-group:/aws/codebuild/<{logical_id}>:*"
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            {
                **{f"AwsSolutions-IAM5[Action::{action}]": granted for action in actions},
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>"
                ":network-interface/*]": granted,
                wildcard_resource(
                    self,
                    stack.format_arn(service="logs", resource=log_group, arn_format=cdk.ArnFormat.NO_RESOURCE_NAME),
                ): granted,
            },
        )
        if inside := self.project.node.try_find_child("PolicyDocument"):
            look = "CodeBuild looks at the network that it enters, and EC2 knows no resources for that."
            acknowledge(inside, {"AwsSolutions-IAM5[Resource::*]": look})


def _secret(secret: secretsmanager.ISecret) -> codebuild.BuildEnvironmentVariable:
    """A secret's whole value, which CodeBuild reads when the build starts and hides in its log."""
    return codebuild.BuildEnvironmentVariable(
        type=codebuild.BuildEnvironmentVariableType.SECRETS_MANAGER, value=secret.secret_arn
    )


def start_rights(names: Names) -> list[iam.PolicyStatement]:
    """What ``infra/delivery/start_smoke_test.py`` needs for one environment's project."""
    here = f"{names.region}:{names.account}"
    return [
        iam.PolicyStatement(
            sid="SmokeTest",
            actions=["codebuild:StartBuild", "codebuild:BatchGetBuilds"],
            resources=[f"arn:{cdk.Aws.PARTITION}:codebuild:{here}:project/{names.smoke_test}"],
        ),
        iam.PolicyStatement(sid="SmokeTestLog", actions=["logs:GetLogEvents"], resources=[_streams(names)]),
    ]


def start_reasons(scope: Construct, names: Names) -> dict[str, str]:
    """Why these rights have a wildcard, by cdk-nag's findings."""
    return {wildcard_resource(scope, _streams(names)): "CodeBuild names the stream of each build."}


def _streams(names: Names) -> str:
    here = f"{names.region}:{names.account}"
    return f"arn:{cdk.Aws.PARTITION}:logs:{here}:log-group:{names.smoke_test_log}:log-stream:*"


def build_smoke_test(destination: Path, root: Path) -> Path:
    """Assembles what the project runs: the script, the library's wheel, the dbt project and the locks of both.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.
    """
    build_wheel(empty_folder(destination), root)
    shutil.copyfile(Path(__file__).resolve().parents[2] / _SCRIPT, destination / _SCRIPT.name)
    shutil.copytree(
        root / "dbt",
        destination / "dbt",
        ignore=lambda folder, names: IGNORED(folder, names) | ({"target"} & set(names)),
    )
    (destination / "requirements").mkdir()
    for lock in _LOCKS:
        shutil.copyfile(root / "requirements" / lock, destination / "requirements" / lock)
    return destination
