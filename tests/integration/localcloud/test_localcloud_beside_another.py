"""A local cloud whose S3, KMS and Lambda are another's, as in docker-compose.yml beside LocalStack."""

from __future__ import annotations

import json

import pytest

TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "glue.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
            },
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "of-the-other"}},
        "Job": {
            "Type": "AWS::Glue::Job",
            "Properties": {
                "Name": "writes",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Command": {"Name": "glueetl", "ScriptLocation": "s3://templates-of-the-other/job.py"},
            },
        },
    }
}
SCRIPT = b"import boto3; boto3.client('s3').put_object(Bucket='of-the-other', Key='written', Body=b'by the job')"


@pytest.fixture(scope="module")
def beside(server, cloud, tmp_path_factory):
    """`cloud` is the other."""
    variables = {f"AWS_ENDPOINT_URL_{service}": cloud.endpoint for service in ("S3", "KMS", "LAMBDA")}
    with server(tmp_path_factory.mktemp("beside") / "state", **variables) as running:
        yield running


def test_a_stack_and_its_job_find_their_objects_in_the_other_cloud(beside, cloud):
    other = cloud.client("s3")
    other.create_bucket(Bucket="templates-of-the-other")
    other.put_object(Bucket="templates-of-the-other", Key="job.py", Body=SCRIPT)
    other.put_object(Bucket="templates-of-the-other", Key="a template.json", Body=json.dumps(TEMPLATE).encode())

    stacks = beside.client("cloudformation")
    stacks.create_stack(StackName="beside", TemplateURL=f"{cloud.endpoint}/templates-of-the-other/a%20template.json")

    assert stacks.describe_stacks(StackName="beside")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE", beside.reasons(
        "beside"
    )
    run = beside.client("glue").start_job_run(JobName="writes")["JobRunId"]
    done = beside.wait_for_run("writes", run)
    assert done["JobRunState"] == "SUCCEEDED", done
    assert other.get_object(Bucket="of-the-other", Key="written")["Body"].read() == b"by the job"
    assert beside.client("s3").list_buckets()["Buckets"] == []


def test_a_template_that_is_not_there_is_refused_with_its_address(beside, cloud):
    stacks = beside.client("cloudformation")
    with pytest.raises(stacks.exceptions.ClientError, match=r"nowhere/none\.json cannot be read: .*NoSuchBucket"):
        stacks.create_stack(StackName="none", TemplateURL=f"{cloud.endpoint}/nowhere/none.json")
