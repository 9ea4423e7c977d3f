"""What is kept over a restart: the objects of all buckets."""

from __future__ import annotations

import signal
import urllib.request


def test_objects_come_back_when_their_bucket_does_and_nothing_else(server, tmp_path):
    state = tmp_path / "state"
    with server(state) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="kept-bucket")
        s3.create_bucket(Bucket="deleted-bucket")
        s3.put_bucket_versioning(Bucket="kept-bucket", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="kept-bucket", Key="a/ü b", Body=b"old")
        s3.put_object(
            Bucket="kept-bucket",
            Key="a/ü b",
            Body=b"new",
            ContentType="application/json",
            Metadata={"batch": "7"},
            Tagging="state=committed",
        )
        s3.put_object(Bucket="kept-bucket", Key="gone", Body=b"")
        s3.delete_object(Bucket="kept-bucket", Key="gone")

    with server(state) as cloud:
        s3 = cloud.client("s3")
        assert s3.list_buckets()["Buckets"] == []
        s3.create_bucket(Bucket="kept-bucket")
        s3.create_bucket(Bucket="deleted-bucket")

        assert [item["Key"] for item in s3.list_objects_v2(Bucket="kept-bucket")["Contents"]] == ["a/ü b"]
        found = s3.get_object(Bucket="kept-bucket", Key="a/ü b")
        assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (
            b"new",
            "application/json",
            {"batch": "7"},
        )
        tags = s3.get_object_tagging(Bucket="kept-bucket", Key="a/ü b")["TagSet"]
        assert tags == [{"Key": "state", "Value": "committed"}]
        assert s3.list_objects_v2(Bucket="deleted-bucket")["KeyCount"] == 0


def test_what_was_saved_survives_a_kill_and_buckets_that_wait_are_kept(server, tmp_path):
    state = tmp_path / "state"
    with server(state) as cloud:
        for name in ("one-bucket", "two-bucket"):
            cloud.client("s3").create_bucket(Bucket=name)
            cloud.client("s3").put_object(Bucket=name, Key="key", Body=name.encode())
        urllib.request.urlopen(urllib.request.Request(cloud.endpoint + "/localcloud/save", method="POST")).close()
        cloud.process.send_signal(signal.SIGKILL)
        cloud.process.wait()
    (tmp_path / "state.ready.json").unlink()
    with server(state) as cloud:
        cloud.client("s3").create_bucket(Bucket="one-bucket")

    with server(state) as cloud:
        cloud.client("s3").create_bucket(Bucket="two-bucket")

        assert cloud.client("s3").get_object(Bucket="two-bucket", Key="key")["Body"].read() == b"two-bucket"


def test_a_bucket_that_a_stack_makes_again_has_its_objects_under_its_own_encryption(server, tmp_path):
    state = tmp_path / "state"
    rule = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": "Key.Arn"}}}
    resources = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
        # No name is given: the one that is made up must be the same again.
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}},
        },
    }
    outputs = {"Bucket": {"Value": {"Ref": "Bucket"}}, "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}}
    with server(state) as cloud:
        before = {o["OutputKey"]: o["OutputValue"] for o in cloud.deploy("lake", resources, Outputs=outputs)["Outputs"]}
        cloud.client("s3").put_object(Bucket=before["Bucket"], Key="key", Body=b"body")

    with server(state) as cloud:
        after = {o["OutputKey"]: o["OutputValue"] for o in cloud.deploy("lake", resources, Outputs=outputs)["Outputs"]}
        found = cloud.client("s3").get_object(Bucket=before["Bucket"], Key="key")

    assert found["Body"].read() == b"body"
    assert found["SSEKMSKeyId"] == after["Key"]
