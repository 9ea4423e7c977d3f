"""A pipeline that deploys every commit: synth, itself, tests, and one environment after the other.

An environment is deployed by the same ``cdk deploy`` that a person or GitHub calls, and not as a `cdk.Stage` of the
pipeline: the CDK names security group rules after the path of the stack, so that a stage's stacks would have other
rules than the app's, which EC2 refuses as duplicates when an environment passes from one to the other (ADR 13).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import pipelines
from constructs import Construct

from infra.constructs.github_oidc import DEPLOY_ROLES, assume_bootstrap_roles
from infra.constructs.smoke_test import start_reasons, start_rights
from infra.delivery.settings import Pipeline
from infra.nag import acknowledge, wildcard_resource
from ingot.naming import Names

IMAGE = "aws/codebuild/standard:7.0"
"""Ubuntu 22.04, whose patches are AWS's; see :mod:`infra.constructs.smoke_test`."""
RUNTIMES = {"python": "3.12", "nodejs": "22"}
CDK_CLI = "2.1148.1"
"""As in the Makefile, with which the synth step calls it."""
ASSEMBLIES = "assemblies"
"""Below it, a folder an environment with what is deployed there: synthesised once, before anything is deployed."""
APP = "python -m infra.delivery.app"
TESTS = ".ci/run"
ARTIFACT_DAYS = 30
_ENVIRONMENTS = 'export PATH="$PWD/.venv/bin:$PWD/.venv-node/node_modules/.bin:$PATH"'

_ROLES = ("Role", "CodePipelineActionRole")
_ACTIONS = (
    "s3:Abort*",
    "s3:DeleteObject*",
    "s3:GetBucket*",
    "s3:GetObject*",
    "s3:List*",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
)
_GRANT = "The CDK's own grant, by families of actions, on the artifacts and their key alone."
_BOOTSTRAP = "The pipeline changes itself through roles of `cdk bootstrap`: a condition holds it to their tag."
_SELF_MUTATION = {
    "AwsSolutions-IAM5[Resource::*]": "The CDK asks which bootstrap there is: it describes stacks and lists buckets."
}


class DeliveryPipeline(Construct):
    """A self-mutating pipeline of CodePipeline: a commit that changes the pipeline changes it before it goes on.

    It clones the branch over a connection of CodeConnections, synthesises every environment once, runs the tests, and
    deploys what was synthesised, one environment after the other, through the roles of `cdk bootstrap`; one may wait
    for a person, and be followed by its smoke test. A commit waits until the one before is through.

    Args:
        scope, id: as for every construct.
        name: the pipeline's.
        settings: see :class:`infra.delivery.settings.Pipeline`.
        repository, branch: what it deploys.
        key: encrypts artifacts and logs.
        artifacts: keeps what steps hand over.
        log: where every build logs.
        names: environment → its names.

    Attributes:
        pipeline: the pipeline, built.

    Example::

        DeliveryPipeline(self, "Pipeline", name="ingot", settings=settings, repository="example/shop", branch="main", …)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        settings: Pipeline,
        repository: str,
        branch: str,
        key: kms.IKey,
        artifacts: s3.IBucket,
        log: logs.ILogGroup,
        names: Mapping[str, Names],
    ) -> None:
        super().__init__(scope, id)
        source = pipelines.CodePipelineSource.connection(
            repository,
            branch,
            connection_arn=settings.connection,
            code_build_clone_output=True,  # with its history: contracts are compared with those of before
        )
        environments = [stage.environment for stage in settings.stages]
        synth = pipelines.CodeBuildStep(
            "Synth",
            input=source,
            install_commands=["make setup manifest"],
            commands=[
                _ENVIRONMENTS,
                f'cdk synth --quiet --app "{APP}"',
                *(f"cdk synth --quiet -c environment={each} --output {ASSEMBLIES}/{each}" for each in environments),
            ],
            primary_output_directory="cdk.out",
        )
        self.pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            synth=synth,
            code_pipeline=codepipeline.Pipeline(
                self,
                "Stages",
                pipeline_name=name,
                pipeline_type=codepipeline.PipelineType.V2,
                execution_mode=codepipeline.ExecutionMode.QUEUED,
                restart_execution_on_update=True,
                artifact_bucket=artifacts,
            ),
            cli_version=CDK_CLI,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(
                    build_image=codebuild.LinuxBuildImage.from_code_build_image_id(IMAGE),
                    compute_type=codebuild.ComputeType.MEDIUM,
                ),
                logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log)),
                timeout=cdk.Duration.hours(2),
                partial_build_spec=codebuild.BuildSpec.from_object(
                    {"version": "0.2", "phases": {"install": {"runtime-versions": RUNTIMES}}}
                ),
            ),
        )
        self.pipeline.add_wave("Tests", pre=[pipelines.CodeBuildStep("Test", input=source, commands=[TESTS])])
        for stage in settings.stages:
            steps = [
                *([pipelines.ManualApprovalStep(f"Approve-{stage.environment}")] if stage.approval else []),
                self._deploy(synth.add_output_directory(f"{ASSEMBLIES}/{stage.environment}"), names[stage.environment]),
                *([self._smoke_test(source, names[stage.environment])] if stage.smoke_test else []),
            ]
            self.pipeline.add_wave(stage.environment, pre=pipelines.Step.sequence(steps))
        self.pipeline.build_pipeline()
        self._explain(artifacts, names.values())

    def _deploy(self, assembly: pipelines.FileSet, names: Names) -> pipelines.CodeBuildStep:
        return pipelines.CodeBuildStep(
            f"Deploy-{names.environment}",
            input=assembly,
            install_commands=[f"npm install --global aws-cdk@{CDK_CLI}"],
            commands=["cdk deploy --all --app . --require-approval never --ci"],
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.SMALL),
            role_policy_statements=[assume_bootstrap_roles(DEPLOY_ROLES, account=names.account, region=names.region)],
        )

    def _smoke_test(self, source: pipelines.CodePipelineSource, names: Names) -> pipelines.CodeBuildStep:
        return pipelines.CodeBuildStep(
            f"SmokeTest-{names.environment}",
            input=source,
            install_commands=["pip install --quiet --constraint requirements/constraints-mwaa-3.3.1.txt boto3"],
            commands=[f"python infra/delivery/start_smoke_test.py {names.smoke_test}"],
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.SMALL),
            role_policy_statements=start_rights(names),
        )

    def _explain(self, artifacts: s3.IBucket, names: Iterable[Names]) -> None:
        """The findings of cdk-nag, all in roles that the CDK makes for steps, and why they are right."""
        stack = cdk.Stack.of(self)
        reasons = {
            **{f"AwsSolutions-IAM5[Action::{action}]": _GRANT for action in _ACTIONS},
            wildcard_resource(self, artifacts.arn_for_objects("*")): _GRANT,
        }
        for each in names:
            reasons |= start_reasons(self, each)
        roles = (self.pipeline.pipeline.role, *self._roles())
        for role in roles:
            if policy := role.node.try_find_child("DefaultPolicy"):
                acknowledge(policy, {**reasons, **self._reasons_of(role, stack)})

    def _roles(self) -> Iterable[iam.IRole]:
        """Those of all steps."""
        for part in (self.pipeline, self.pipeline.pipeline):
            for construct in part.node.find_all():
                if construct.node.id in _ROLES and isinstance(construct, iam.Role):
                    yield construct

    def _reasons_of(self, role: iam.IRole, stack: cdk.Stack) -> dict[str, str]:
        """What one role has besides: logs and reports of its project, and the rights to deploy."""
        project = next((each for each in role.node.scopes if isinstance(each, codebuild.Project)), None)
        if project is None:
            return {}
        own = "Its own project's, whose log group is ours: the CDK allows the one that CodeBuild would make, too."
        name = f"<{stack.get_logical_id(project.node.default_child)}>"
        reasons = _of_project(self, stack, f"{name}:*", f"{name}-*", own)
        if project.node.id != "SelfMutation":
            return reasons
        return {
            **reasons,
            **_SELF_MUTATION,
            wildcard_resource(self, f"arn:*:iam::{stack.account}:role/*"): _BOOTSTRAP,
        }


def _of_project(scope: Construct, stack: cdk.Stack, logs_: str, reports: str, reason: str) -> dict[str, str]:
    arn = stack.format_arn
    no_name = cdk.ArnFormat.NO_RESOURCE_NAME
    return {
        wildcard_resource(scope, arn(service=service, resource=resource, arn_format=no_name)): reason
        for service, resource in (
            ("logs", f"log-group:/aws/codebuild/{logs_}"),
            ("codebuild", f"report-group/{reports}"),
        )
    }
