"""S3 where moto falls short: policies' conditions, and conditional writes under concurrency."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from localcloud.s3 import undecided

TLS_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


def _policy(bucket: str, condition: dict) -> str:
    text = json.dumps(TLS_ONLY).replace("{bucket}", bucket)
    document = json.loads(text)
    document["Statement"][0]["Condition"] = condition
    return json.dumps(document)


def test_a_tls_only_policy_is_kept_as_it_is_and_locks_nobody_out(cloud, bucket):
    s3 = cloud.client("s3")
    policy = _policy(bucket, {"Bool": {"aws:SecureTransport": "false"}})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)

    s3.put_object(Bucket=bucket, Key="key", Body=b"body")

    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"body"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)


def test_a_deny_whose_condition_holds_denies(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_bucket_policy(Bucket=bucket, Policy=_policy(bucket, {"Bool": {"aws:SecureTransport": "true"}}))

    with pytest.raises(s3.exceptions.ClientError, match="403"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"body")


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({}, {}),
        ({"Bool": {"aws:SecureTransport": "false"}}, None),
        ({"Bool": {"aws:securetransport": True}}, {}),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, None),
        ({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"a": "b"}}, {"StringEquals": {"a": "b"}}),
        ({"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"a": "b"}}, None),
    ],
)
def test_known_keys_of_a_condition_are_evaluated_and_the_others_left(condition, left):
    assert undecided(condition) == left


def test_of_many_writers_that_must_be_first_one_is(cloud, bucket):
    """Each sends all but the last byte, and then all send that at once.

    The checksum of a long body, which the server computes between its look at the key and its write, keeps
    the window open: without a lock more than one gets through.
    """
    writers = 8
    body = b"x" * 1_000_000
    together = threading.Barrier(writers)

    def write(_: int) -> int:
        address = urlsplit(cloud.endpoint)
        with closing(HTTPConnection("127.0.0.1", address.port, timeout=30)) as connection:
            connection.putrequest("PUT", f"/{bucket}/key")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request")
            connection.putheader("If-None-Match", "*")
            connection.putheader("x-amz-sdk-checksum-algorithm", "CRC32")
            connection.endheaders(body[:-1])
            together.wait(timeout=30)
            connection.send(body[-1:])
            return connection.getresponse().status

    with ThreadPoolExecutor(writers) as pool:
        statuses = list(pool.map(write, range(writers)))

    assert sorted(statuses) == [200] + [412] * (writers - 1)
