"""A pipeline that deploys every commit: synth, itself, tests, and one environment after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import pipelines
from constructs import Construct

from infra.constructs.smoke_test import start_rights
from infra.delivery.settings import Pipeline, Stage
from ingot.naming import Names

IMAGE = "aws/codebuild/standard:7.0"
"""Ubuntu 22.04, whose patches are AWS's; see :mod:`infra.constructs.smoke_test`."""
RUNTIMES = {"python": "3.12", "nodejs": "22"}
APP = "python -m infra.delivery.app"
TESTS = ".ci/run"
ARTIFACT_DAYS = 30
_ENVIRONMENTS = 'export PATH="$PWD/.venv/bin:$PWD/.venv-node/node_modules/.bin:$PATH"'

AddStacks = Callable[[cdk.Stage, str], None]
"""``add(stage, environment)``: adds every stack of an environment."""


class DeliveryPipeline(Construct):
    """A self-mutating pipeline of CodePipeline: a commit that changes the pipeline changes it before it goes on.

    It clones the branch over a connection of CodeConnections, synthesises, runs the tests, and deploys the stages in
    their order through the roles of `cdk bootstrap`; a stage may wait for a person, and be followed by its smoke test.
    A commit waits until the one before is through.

    Args:
        scope, id: as for every construct.
        name: the pipeline's.
        settings: see :class:`infra.delivery.settings.Pipeline`.
        repository, branch: what it deploys.
        key: encrypts artifacts and logs.
        artifacts: keeps what steps hand over.
        log: where every build logs.
        names: of each stage, in their order.
        add_stacks: adds the stacks of an environment to a stage.

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
        names: Sequence[Names],
        add_stacks: AddStacks,
    ) -> None:
        super().__init__(scope, id)
        source = pipelines.CodePipelineSource.connection(
            repository,
            branch,
            connection_arn=settings.connection,
            code_build_clone_output=True,  # with its history: contracts are compared with those of before
        )
        self.pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            synth=pipelines.CodeBuildStep(
                "Synth",
                input=source,
                install_commands=["make setup manifest"],
                commands=[_ENVIRONMENTS, f'cdk synth --quiet --app "{APP}"'],
                primary_output_directory="cdk.out",
            ),
            code_pipeline=codepipeline.Pipeline(
                self,
                "Stages",
                pipeline_name=name,
                pipeline_type=codepipeline.PipelineType.V2,
                execution_mode=codepipeline.ExecutionMode.QUEUED,
                restart_execution_on_update=True,
                artifact_bucket=artifacts,
            ),
            publish_assets_in_parallel=False,  # one project for all assets, not one each
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
        for stage, of in zip(settings.stages, names, strict=True):
            deployed = cdk.Stage(self, stage.environment)
            add_stacks(deployed, stage.environment)
            self.pipeline.add_stage(
                deployed,
                pre=[pipelines.ManualApprovalStep(f"Approve-{stage.environment}")] if stage.approval else [],
                post=[self._smoke_test(source, stage, of)] if stage.smoke_test else [],
            )
        self.pipeline.build_pipeline()

    def _smoke_test(self, source: pipelines.CodePipelineSource, stage: Stage, names: Names) -> pipelines.CodeBuildStep:
        return pipelines.CodeBuildStep(
            f"SmokeTest-{stage.environment}",
            input=source,
            install_commands=["pip install --quiet --constraint requirements/constraints-mwaa-3.3.1.txt boto3"],
            commands=[f"python infra/delivery/start_smoke_test.py {names.smoke_test}"],
            build_environment=codebuild.BuildEnvironment(compute_type=codebuild.ComputeType.SMALL),
            role_policy_statements=start_rights(names),
        )
