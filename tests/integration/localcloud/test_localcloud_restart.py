"""What is kept over a restart: the objects of all buckets."""

from __future__ import annotations

import hashlib
import json
import urllib.request

import pytest
from localcloud.objects import FORMAT, ObjectStore
from moto.s3.models import s3_backends

ENCRYPTION = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": "Key.Arn"}}}
STACK = {
    "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
    # No name is given: the one that is made up must be the same again.
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketEncryption": {"ServerSideEncryptionConfiguration": [ENCRYPTION]}},
    },
}
OUTPUTS = {"Bucket": {"Value": {"Ref": "Bucket"}}, "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}}


def _deploy(cloud) -> dict[str, str]:
    outputs = cloud.deploy("lake", STACK, Outputs=OUTPUTS)["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _save(cloud) -> None:
    urllib.request.urlopen(urllib.request.Request(cloud.endpoint + "/localcloud/save", method="POST")).close()


def _saved(state) -> dict:
    return json.loads((state / "index.json").read_text())["buckets"]


@pytest.fixture(scope="module")
def restarted(server, tmp_path_factory):
    """A second local cloud on the state of a first one, which was told to save and then killed."""
    state = tmp_path_factory.mktemp("restart") / "state"
    with server(state) as cloud:
        s3 = cloud.client("s3")
        for name in ("kept-bucket", "waiting-bucket"):
            s3.create_bucket(Bucket=name)
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
        s3.put_object(Bucket="waiting-bucket", Key="key", Body=b"waits")
        s3.put_object(Bucket=_deploy(cloud)["Bucket"], Key="key", Body=b"of the stack")
        _save(cloud)
        cloud.process.kill()
        cloud.process.wait()
    (state.parent / "state.ready.json").unlink()
    with server(state) as cloud:
        yield cloud


def test_objects_come_back_with_their_headers_and_tags_when_their_bucket_does(restarted):
    s3 = restarted.client("s3")
    s3.create_bucket(Bucket="kept-bucket")

    assert [item["Key"] for item in s3.list_objects_v2(Bucket="kept-bucket")["Contents"]] == ["a/ü b"]
    found = s3.get_object(Bucket="kept-bucket", Key="a/ü b")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (
        b"new",
        "application/json",
        {"batch": "7"},
    )
    tags = s3.get_object_tagging(Bucket="kept-bucket", Key="a/ü b")["TagSet"]
    assert tags == [{"Key": "state", "Value": "committed"}]


def test_a_bucket_that_a_stack_makes_again_has_its_objects_under_its_own_encryption(restarted):
    outputs = _deploy(restarted)

    found = restarted.client("s3").get_object(Bucket=outputs["Bucket"], Key="key")

    assert found["Body"].read() == b"of the stack"
    assert found["SSEKMSKeyId"] == outputs["Key"]


def test_a_bucket_that_nobody_made_again_is_kept_on_disk_and_a_deleted_one_is_not(restarted):
    s3 = restarted.client("s3")
    s3.create_bucket(Bucket="short-lived-bucket")
    s3.put_object(Bucket="short-lived-bucket", Key="key", Body=b"body")
    _save(restarted)
    assert "short-lived-bucket" in _saved(restarted.state)
    s3.delete_object(Bucket="short-lived-bucket", Key="key")
    s3.delete_bucket(Bucket="short-lived-bucket")

    _save(restarted)

    assert "short-lived-bucket" not in _saved(restarted.state)
    (waiting,) = _saved(restarted.state)["waiting-bucket"]
    assert (restarted.state / "blobs" / waiting["sha256"]).read_bytes() == b"waits"


def test_being_told_to_stop_saves_and_takes_the_ready_file_away(server, tmp_path):
    with server(tmp_path / "state") as cloud:
        cloud.client("s3").create_bucket(Bucket="last-bucket")
        cloud.client("s3").put_object(Bucket="last-bucket", Key="key", Body=b"body")

    assert cloud.process.returncode == 0
    assert [entry["key"] for entry in _saved(tmp_path / "state")["last-bucket"]] == ["key"]
    assert not (tmp_path / "state.ready.json").exists()


def test_a_save_between_a_buckets_creation_and_its_restoration_loses_nothing(tmp_path):
    content = b"waits"
    digest = hashlib.sha256(content).hexdigest()
    entry = {"key": "key", "sha256": digest, "headers": {}, "tags": {}, "storage_class": "STANDARD"}
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / digest).write_bytes(content)
    (tmp_path / "index.json").write_text(json.dumps({"format": FORMAT, "buckets": {"created-bucket": [entry]}}))
    store = ObjectStore(tmp_path)
    backend = s3_backends["000000000000"]["aws"]
    backend.create_bucket("created-bucket", "us-east-1")
    backend.put_object("created-bucket", "new", b"new")
    try:
        store.save()
    finally:
        s3_backends.reset()

    assert [item["key"] for item in _saved(tmp_path)["created-bucket"]] == ["key", "new"]
    assert (tmp_path / "blobs" / digest).read_bytes() == content
