"""S3 where moto falls short: policies' conditions, and conditional writes under concurrency."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

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
    s3 = cloud.new_client("s3", request_checksum_calculation="when_required")
    # The server has to compute the checksum of a long body between its look at the key and its write:
    # without a lock the others look meanwhile.
    s3.meta.events.register(
        "before-sign.s3.PutObject",
        lambda request, **_: request.headers.add_header("x-amz-sdk-checksum-algorithm", "CRC32"),
    )
    body = b"x" * 2_000_000

    def write(number: int) -> str:
        try:
            s3.put_object(Bucket=bucket, Key=f"key-{number // 8}", Body=body, IfNoneMatch="*")
        except s3.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return "written"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(write, range(8 * 3)))

    for start in range(0, len(outcomes), 8):
        assert sorted(outcomes[start : start + 8]) == ["PreconditionFailed"] * 7 + ["written"]
