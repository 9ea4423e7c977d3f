"""A stack with the kinds of resources that a lake has, for the real CDK CLI to deploy to the local cloud.

Context: `days` is the retention that an update changes.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_s3_deployment as s3_deployment
from aws_cdk import aws_secretsmanager as secretsmanager

HERE = Path(__file__).resolve().parent

app = cdk.App()
stack = cdk.Stack(app, "CliLake", description="A small lake")
days = int(app.node.try_get_context("days") or 30)

key = kms.Key(stack, "Key", enable_key_rotation=True, alias="cli-lake", removal_policy=cdk.RemovalPolicy.DESTROY)
bucket = s3.Bucket(
    stack,
    "Bucket",
    bucket_name="cli-lake-bucket",
    encryption=s3.BucketEncryption.KMS,
    encryption_key=key,
    enforce_ssl=True,
    versioned=True,
    block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
    lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=cdk.Duration.days(days))],
    removal_policy=cdk.RemovalPolicy.DESTROY,
    auto_delete_objects=True,
)
s3_deployment.BucketDeployment(
    stack,
    "Files",
    destination_bucket=bucket,
    destination_key_prefix="files",
    sources=[
        s3_deployment.Source.asset(str(HERE / "assets")),
        s3_deployment.Source.json_data("bundle.json", {"bucket": bucket.bucket_name, "key": key.key_arn}),
    ],
)
database = glue.CfnDatabase(
    stack,
    "Database",
    catalog_id=cdk.Aws.ACCOUNT_ID,
    database_input=glue.CfnDatabase.DatabaseInputProperty(name="cli_lake"),
)
script = s3_assets.Asset(stack, "Script", path=str(HERE / "job.py"))
role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("glue.amazonaws.com"))
bucket.grant_read_write(role)
script.grant_read(role)
glue.CfnJob(
    stack,
    "Job",
    name="cli-lake-job",
    role=role.role_arn,
    glue_version="6.0",
    command=glue.CfnJob.JobCommandProperty(name="glueetl", script_location=script.s3_object_url),
    default_arguments={"--bucket": bucket.bucket_name},
)
secretsmanager.Secret(
    stack,
    "Secret",
    secret_name="cli-lake-secret",
    generate_secret_string=secretsmanager.SecretStringGenerator(
        secret_string_template='{"username": "lake"}', generate_string_key="password", exclude_punctuation=True
    ),
)
logs.LogGroup(stack, "Logs", log_group_name="/cli/lake", retention=logs.RetentionDays.ONE_WEEK)
cdk.CfnOutput(stack, "BucketName", value=bucket.bucket_name)
app.synth()
