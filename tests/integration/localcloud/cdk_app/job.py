"""Writes one object under the job's role."""

import sys

import boto3
from awsglue.utils import getResolvedOptions

options = getResolvedOptions(sys.argv, ["JOB_NAME", "bucket"])
identity = boto3.client("sts").get_caller_identity()["Arn"]
boto3.client("s3").put_object(Bucket=options["bucket"], Key="written-by", Body=identity.encode())
