"""After the deployment of the laptop's environment, the account holds what the templates say, and nothing else.

What is there is listed by the services' own calls (`account.py`), never read from CloudFormation; and listed again once
the stacks are destroyed, with and without the two keys that it takes to delete data.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcloud.clients import ROOT_CREDENTIALS

from tests.integration.localcloud.account import KINDS, OBJECT, Account, buckets
from tests.integration.localcloud.comparison import (
    Assembly,
    Comparison,
    Inventory,
    Kind,
    Wanted,
    compare,
    inventory,
)
from tests.integration.localcloud.deploying import ACCOUNT, bootstrap, deploy, destroy, only

MISSING = yaml.safe_load(Path(__file__).with_name("missing.yaml").read_text(encoding="utf-8"))
BRONZE = f"ingot-local-bronze-{ACCOUNT}-us-east-1"


@pytest.fixture(scope="module")
def assembly(synthesised: Callable[..., Assembly]) -> Assembly:
    return synthesised("local")


@pytest.fixture(scope="module")
def account(
    server: Callable[..., Any], assembly: Assembly, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """An account of its own, with the environment in it. The last test of this file destroys that."""
    with server(tmp_path_factory.mktemp("deployed") / "state") as running:
        account = Account(running.endpoint, assembly, ROOT_CREDENTIALS)
        bootstrap(account.client)
        deploy(account.client, assembly)
        yield account


@pytest.fixture(scope="module")
def there(account: Account) -> Inventory:
    return inventory(KINDS, account)


def compared(account: Account, there: Inventory, wanted: list[Wanted]) -> Comparison:
    return compare(KINDS, account, there, account.assembly, wanted)


def in_words(found: Comparison) -> list[str]:
    """Everything that came out, a line each."""
    different = ((resource, line) for resource, lines in found.different.items() for line in lines)
    return sorted(
        [
            *(f"{kind} has no row in account.py: say how it is listed and recognised" for kind in found.untold),
            *(f"{resource} is not there" for resource in found.missing),
            *(f"{resource} is not as its template says: {line}" for resource, line in different),
            *(f"{thing} is there, and no template names it" for thing in found.extra),
        ]
    )


def is_of(row: dict[str, str], line: str) -> bool:
    """Whether a row of missing.yaml is the reason of a line."""
    if "property" not in row:
        return line.endswith(f"({row['type']}) is not there")
    said = f"({row['type']}) is not as its template says: "
    return said in line and fnmatchcase(re.split("[:.]", line.partition(said)[2])[0], row["property"])


def unexplained(environment: str, lines: list[str]) -> list[str]:
    """The lines without a reason, and the reasons without a line."""
    rows = MISSING[environment]
    return [
        *(line for line in lines if not any(is_of(row, line) for row in rows)),
        *(f"{row} is no longer missing" for row in rows if not any(is_of(row, line) for line in lines)),
    ]


def test_the_list_of_what_is_missing_is_short_and_gives_reasons() -> None:
    rows = [row for of_environment in MISSING.values() for row in of_environment]

    assert len(rows) < 10
    assert all(len(row["reason"].split()) > 5 for row in rows)
    assert unexplained("local", ["lake/Key (AWS::KMS::Key) is not there"])[0].startswith("lake/Key")
    assert unexplained("local", [])[0].endswith("is no longer missing")


@pytest.mark.slow
def test_the_account_holds_what_the_templates_say_and_nothing_else(
    account: Account, there: Inventory, assembly: Assembly
) -> None:
    found = compared(account, there, list(assembly.resources()))

    assert unexplained("local", in_words(found)) == []
    # It looked at each of them, and at more than at names.
    wanted = Counter(each.type for each in assembly.resources())
    assert {kind: number for kind, number in wanted.items() if found.compared.get(kind, 0) < number} == {}
    assert found.properties > 2 * wanted.total()


def changed(name: str, **properties: Any) -> Callable[[Wanted], Wanted | None]:
    """The resource whose logical id begins so asks for something else; for nothing at all, without properties."""

    def change(wanted: Wanted) -> Wanted | None:
        if not wanted.name.startswith(name):
            return wanted
        return dataclasses.replace(wanted, properties={**wanted.properties, **properties}) if properties else None

    return change


PLANTED = [
    (changed("NetworkVpcS3"), "AWS::EC2::VPCEndpoint vpce-.* no template names it"),
    (changed("BronzeBucketPolicy"), "AWS::S3::BucketPolicy ingot-local-bronze-.* is there, and no template names it"),
    (changed("fakestoreloadRole"), "AWS::IAM::Policy ingot-local-jobs-fakestoreloadRole.* no template names it"),
    (changed("BronzeBucket", BucketName="other"), r"ingot-local-lake/BronzeBucket\w+ \(AWS::S3::Bucket\) is not there"),
    (changed("Key", EnableKeyRotation=False), "Key.*EnableKeyRotation: False is asked for, True is there"),
    (changed("Key", KeyPolicy={"Statement": []}), "Key.*KeyPolicy: .*kms:.*"),
    (changed("LakeBucket", VersioningConfiguration={"Status": "Suspended"}), "LakeBucket.*VersioningConfiguration"),
    (changed("NetworkFlowLogGroup", RetentionInDays=30), "RetentionInDays: 30 is asked for, 7 is there"),
    (changed("fakestoreextractJob", Timeout=1), "fakestoreextractJob.*Timeout: 1 is asked for"),
    (changed("Workgroup", WorkGroupConfiguration={"EnforceWorkGroupConfiguration": False}), "Workgroup.*Enforce"),
    (changed("NetworkClients", SecurityGroupIngress=[{"CidrIp": "10.0.0.0/8"}]), r"NetworkClients\w+\[0\].* not there"),
    (changed("SecretA", ReplicaRegions=[{"Region": "eu-west-1"}]), "ReplicaRegions: .* None is there"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line"), PLANTED, ids=[line[:24] for _, line in PLANTED])
def test_a_template_that_asks_for_something_else_is_noticed(
    account: Account, there: Inventory, change: Callable[[Wanted], Wanted | None], line: str
) -> None:
    wanted = [after for each in account.assembly.resources() if (after := change(each))]

    lines = in_words(compared(account, there, wanted))

    assert [each for each in lines if re.search(line, each)], lines


def test_a_type_that_the_table_has_not_is_noticed(account: Account, there: Inventory) -> None:
    more = Wanted("ingot-local-lake", "Fleet", "AWS::GameLift::Fleet", {})

    lines = in_words(compared(account, there, [*account.assembly.resources(), more]))

    assert "AWS::GameLift::Fleet has no row in account.py: say how it is listed and recognised" in lines


def test_what_the_account_lost_or_gained_is_noticed(account: Account, there: Inventory) -> None:
    """As if the local cloud had dropped a property, or not made what it said it made."""
    s3, iam, logs, ec2 = (account.client(name) for name in ("s3", "iam", "logs", "ec2"))
    before = in_words(compared(account, there, list(account.assembly.resources())))
    (policy,) = (thing for thing in there["AWS::IAM::Policy"] if "fakestoreloadRole" in thing.id)
    ((role, name),) = [policy.id.split("|")]
    document = policy.properties["PolicyDocument"]
    wider = [*document["Statement"], {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    blocked = s3.get_public_access_block(Bucket=BRONZE)["PublicAccessBlockConfiguration"]
    (endpoint,) = (e for e in there["AWS::EC2::VPCEndpoint"] if e.properties["ServiceName"].endswith(".s3"))
    tables = endpoint.properties["RouteTableIds"]
    group = next(thing.id for thing in there["AWS::Logs::LogGroup"])

    s3.create_bucket(Bucket="left-over")
    s3.delete_public_access_block(Bucket=BRONZE)
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**document, "Statement": wider}))
    logs.tag_log_group(logGroupName=group, tags={"said": "nothing"})  # what AWS or a person adds is no difference
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, RemoveRouteTableIds=tables[:1])
    try:
        kinds = ("AWS::S3::Bucket", "AWS::IAM::Policy", "AWS::Logs::LogGroup", "AWS::EC2::VPCEndpoint")
        now = {**there, **inventory({kind: KINDS[kind] for kind in kinds}, account)}
        lines = in_words(compared(account, now, list(account.assembly.resources())))
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, AddRouteTableIds=tables[:1])
        logs.untag_log_group(logGroupName=group, tags=["said"])
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
        s3.put_public_access_block(Bucket=BRONZE, PublicAccessBlockConfiguration=blocked)
        s3.delete_bucket(Bucket="left-over")

    new = [line for line in lines if line not in before]
    expected = (
        "AWS::S3::Bucket left-over is there, and no template names it",
        r"jobs/fakestoreloadRole.*: PolicyDocument: .*, but .*s3:\*",
        r"lake/BronzeBucket.*: PublicAccessBlockConfiguration: .* None is there",
        r"network/NetworkVpcS3.*: RouteTableIds: .* is asked for",
    )
    assert len(new) == len(expected), new
    assert all(re.search(pattern, line) for pattern, line in zip(expected, new, strict=True)), new


def fill(account: Account) -> dict[str, int]:
    """Objects in every bucket, with old versions and a deleted one; bucket → how many versions there are."""
    s3 = account.client("s3")
    filled = {}
    for bucket in buckets(account):
        for body in (b"first", b"second"):
            s3.put_object(Bucket=bucket.id, Key="data/of/a/test", Body=body)
        s3.put_object(Bucket=bucket.id, Key="data/gone", Body=b"gone")
        s3.delete_object(Bucket=bucket.id, Key="data/gone")
        filled[bucket.id] = versions(account, bucket.id)
        assert filled[bucket.id] >= 2
    assert len(filled) >= 5
    return filled


def versions(account: Account, bucket: str) -> int:
    pages = account.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sum(len(page.get(kind, ())) for page in pages for kind in ("Versions", "DeleteMarkers"))


@pytest.mark.slow
def test_destroyed_with_both_keys_nothing_is_left(
    account: Account, there: Inventory, synthesised: Callable[..., Assembly]
) -> None:
    with_keys = synthesised("local", allow_data_deletion="true")
    deploy(account.client, with_keys)
    fill(account)

    destroy(account.client, with_keys)

    left = {kind: [thing.id for thing in things] for kind, things in inventory(KINDS, account).items() if things}
    # Lake Formation's administrators are the account's: others may have come to lean on what these stacks added.
    assert left == {"AWS::LakeFormation::DataLakeSettings": ["settings"]}


@pytest.mark.slow
def test_destroyed_without_the_keys_what_holds_data_stays_and_the_rest_goes(
    account: Account, there: Inventory, assembly: Assembly
) -> None:
    deploy(account.client, assembly)
    filled = fill(account)

    destroy(account.client, assembly)

    left = inventory(KINDS, account)
    # A tag goes with its table, which is made from a contract again; what was uploaded stays in its bucket.
    kept = [
        *assembly.resources(lambda r: is_kept(r) and r["Type"] != "AWS::LakeFormation::TagAssociation"),
        *(each for each in assembly.resources() if each.type == "Custom::CDKBucketDeployment"),
        *(Wanted("test", b, OBJECT, {"Bucket": b, "Key": "data/of/a/test"}) for b in filled if "accesslogs" not in b),
    ]
    assert in_words(compared(account, left, kept)) == []
    assert {kind for kind, things in left.items() if things} >= {"AWS::S3::Bucket", "AWS::KMS::Key"}
    assert {bucket: versions(account, bucket) for bucket in filled if "accesslogs" not in bucket} == {
        bucket: number for bucket, number in filled.items() if "accesslogs" not in bucket
    }
    key = account.client("kms").describe_key(KeyId=left["AWS::KMS::Key"][0].id)["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    body = account.client("s3").get_object(Bucket=BRONZE, Key="data/of/a/test")["Body"].read()
    assert body == b"second"


def is_kept(resource: Mapping[str, Any]) -> bool:
    return str(resource.get("DeletionPolicy", "")).startswith("Retain")


@pytest.mark.slow
def test_what_another_environment_has_besides_is_there_too(
    account: Account, there: Inventory, synthesised: Callable[..., Assembly]
) -> None:
    """NAT, Aurora and the jobs' way to it, in the account that has this file's other things already."""
    dev = synthesised("dev")
    stacks = dev.needed_by("ingot-dev-jobs")
    account = Account(account.endpoint, dev, ROOT_CREDENTIALS)
    before = {(kind, thing.id) for kind, things in inventory(KINDS, account).items() for thing in things}

    deploy(account.client, dev, stacks, can_be_made)

    now = inventory(KINDS, account).items()
    new = {kind: [thing for thing in things if (kind, thing.id) not in before] for kind, things in now}
    wanted = [each for each in dev.resources() if each.stack in stacks]
    known = {**KINDS, **{kind: Kind(found=lambda _: ()) for kind in NOT_MADE}}
    found = compare(known, account, {**new, **{kind: [] for kind in NOT_MADE}}, dev, wanted)
    assert unexplained("dev", in_words(found)) == []
    assert found.compared["AWS::RDS::DBCluster"] == found.compared["AWS::EC2::NatGateway"] == 1


NOT_MADE = frozenset(row["type"] for row in MISSING["dev"] if "property" not in row)


def can_be_made(template: dict[str, Any]) -> dict[str, Any]:
    """A template without what stands in the list, and without the macro that this would call."""
    rest = only(template, lambda kind: kind not in NOT_MADE)
    return {name: section for name, section in rest.items() if name != "Transform"}
