"""The lake's options: locked objects, who reads which column, and what its tables must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.settings import LakeFormation, ObjectLock, Settings, load_settings
from ingot.contract.dqdl import ruleset
from ingot.contract.glue import glue_columns
from ingot.errors import ConfigurationError
from ingot.naming import Names, table_name
from ingot.sources import load_sources
from tests.unit.infra.conftest import VARIABLES

ROOT = Path(__file__).resolve().parents[3]
SOURCES = load_sources(ROOT / "sources")
STREAMS = {
    table_name(source.name, stream.name): stream for source in SOURCES.values() for stream in source.streams.values()
}
ANALYST, STEWARD = "role/ingot-local-analyst", "role/ingot-local-steward"

Lake = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """``lake(environment, **changes)``: the resources of the lake's stack alone, with other settings."""
    import aws_cdk as cdk

    from infra.deployment import Deployment
    from infra.stacks.lake import LakeStack

    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]

    def make(environment: str, *, allow_data_deletion: bool = False, **changes: Any) -> dict[str, dict[str, Any]]:
        settings = msgspec.structs.replace(load_settings(environment, VARIABLES), **changes)
        out = tmp_path_factory.mktemp("lake")
        app = cdk.App(
            outdir=str(out), analytics_reporting=False, context=flags, builtin_cloud_formation_validation=False
        )
        names = Names(environment=environment, account="111111111111", region=settings.region)
        LakeStack(
            app,
            Deployment(settings=settings, names=names, root=ROOT, build=out, allow_data_deletion=allow_data_deletion),
            SOURCES,
        )
        app.synth()
        template: dict[str, Any] = json.loads((out / f"ingot-{environment}-lake.template.json").read_text())
        resources: dict[str, dict[str, Any]] = template["Resources"]
        return resources

    return make


def of_kind(resources: Mapping[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource for name, resource in resources.items() if resource["Type"] == f"AWS::{kind}"}


def governing(assembly: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id → properties of one type of Lake Formation."""
    resources: dict[str, dict[str, Any]] = assembly.templates["lake"]["Resources"]
    return {name: it["Properties"] for name, it in of_kind(resources, f"LakeFormation::{kind}").items()}


# -- Object Lock ---------------------------------------------------------------------------------------


def test_no_environment_locks_its_objects_unless_it_is_asked_to(every: Mapping[str, Any]) -> None:
    for assembly in every.values():
        for bucket in assembly.resources("AWS::S3::Bucket").values():
            assert not {"ObjectLockEnabled", "ObjectLockConfiguration"} & set(bucket["Properties"])


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_bronze_alone_is_locked_and_never_deleted_with_its_stack(lake: Lake, mode: Any) -> None:
    resources = lake("dev", allow_data_deletion=True, object_lock=ObjectLock(mode=mode, days=30))
    buckets = of_kind(resources, "S3::Bucket")
    locked = {name: bucket for name, bucket in buckets.items() if "ObjectLockEnabled" in bucket["Properties"]}
    (name,) = locked
    bronze = locked[name]

    assert bronze["Properties"]["BucketName"] == "ingot-dev-bronze-111111111111-us-east-1"
    assert bronze["Properties"]["ObjectLockEnabled"] is True
    assert bronze["Properties"]["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": mode, "Days": 30}},
    }
    assert (bronze["DeletionPolicy"], bronze["UpdateReplacePolicy"]) == ("Retain", "Retain")
    emptied = {
        resource["Properties"]["BucketName"]["Ref"]
        for resource in resources.values()
        if resource["Type"] == "Custom::S3AutoDeleteObjects"
    }
    assert emptied == set(buckets) - {name}


# -- Lake Formation ------------------------------------------------------------------------------------


def test_what_deploys_becomes_an_administrator_beside_those_there_are(local: Any, prod: Any) -> None:
    for assembly in (local, prod):
        (name,) = governing(assembly, "DataLakeSettings")
        resource = assembly.templates["lake"]["Resources"][name]
        (admin,) = resource["Properties"]["Admins"]

        assert "role/cdk-hnb659fds-cfn-exec-role-" in admin["DataLakePrincipalIdentifier"]["Fn::Sub"]
        assert resource["Properties"]["MutationType"] == "APPEND", "a deployment would take the others' place"
        assert resource["DeletionPolicy"] == "Retain", "the settings are the account's"
        for kind in ("Tag", "Resource"):
            for made, it in of_kind(assembly.templates["lake"]["Resources"], f"LakeFormation::{kind}").items():
                assert name in it["DependsOn"], made


def test_without_the_bootstraps_roles_the_settings_name_who_deploys(lake: Lake) -> None:
    settings = load_settings("local", VARIABLES)
    values = {**msgspec.to_builtins(settings), "synthesizer": "cli-credentials"}
    with pytest.raises(msgspec.ValidationError, match=r"lake_formation\.admins has to name who deploys"):
        msgspec.convert(values, Settings)

    formation = LakeFormation(admins=["user/deployer", "arn:aws:iam::222222222222:role/Other"])
    resources = lake("local", synthesizer="cli-credentials", lake_formation=formation)
    (it,) = of_kind(resources, "LakeFormation::DataLakeSettings").values()
    admins = [admin["DataLakePrincipalIdentifier"] for admin in it["Properties"]["Admins"]]
    assert [admin.split(":iam::")[-1] for admin in admins] == [
        "111111111111:user/deployer",
        "222222222222:role/Other",
    ]


@pytest.mark.parametrize("principal", ["analyst", "role/", "group/analysts", "arn:aws"])
def test_what_is_no_principal_is_refused(tmp_path: Path, principal: str) -> None:
    file = tmp_path / "settings.yaml"
    values = msgspec.to_builtins(load_settings("local", VARIABLES))
    del values["environment"]
    values["lake_formation"] = {"readers": {"internal": [principal]}}
    file.write_text(json.dumps({"local": values}), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"lake_formation\.readers"):
        load_settings("local", VARIABLES, file)


def test_the_lakes_tables_are_registered_with_a_role_that_reads_them_only(local: Any) -> None:
    resources = local.templates["lake"]["Resources"]
    ((name, location),) = governing(local, "Resource").items()
    role = location["RoleArn"]["Fn::GetAtt"][0]
    ((policy_name, policy),) = (
        (name, it["Properties"])
        for name, it in of_kind(resources, "IAM::Policy").items()
        if it["Properties"]["Roles"] == [{"Ref": role}]
    )
    allowed = {s["Action"]: s for s in policy["PolicyDocument"]["Statement"]}

    assert location["UseServiceLinkedRole"] is False
    assert policy_name in resources[name]["DependsOn"], "a location whose role cannot read yet"
    assert location["ResourceArn"]["Fn::Join"][1][1] == "/bronze"
    assert set(allowed) == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    assert allowed["s3:GetObject"]["Resource"]["Fn::Join"][1][1] == "/bronze/*"
    assert allowed["s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": ["bronze", "bronze/*"]}}
    assert "ManagedPolicyArns" not in resources[role]["Properties"]


def test_every_column_has_one_classification_and_every_tag_value_exists(every: Mapping[str, Any]) -> None:
    for assembly in (every["local"], every["staging"], every["prod"]):
        prefix = f"ingot-{assembly.environment}-"
        values = {tag["TagKey"]: tag["TagValues"] for tag in governing(assembly, "Tag").values()}
        given: dict[str, list[tuple[str, str]]] = {table: [] for table in STREAMS}
        whole: dict[str, dict[str, str]] = {}
        for it in governing(assembly, "TagAssociation").values():
            pairs = {pair["TagKey"]: pair["TagValues"] for pair in it["LFTags"]}
            assert all(set(found) <= set(values[key]) for key, found in pairs.items())
            if table := it["Resource"].get("TableWithColumns"):
                ((key, (value,)),) = pairs.items()
                assert key == f"{prefix}classification"
                given[table["Name"]] += [(column, value) for column in table["ColumnNames"]]
            elif table := it["Resource"].get("Table"):
                whole[table["Name"]] = {key.removeprefix(prefix): value for key, (value,) in pairs.items()}

        assert values[f"{prefix}classification"] == ["public", "internal", "confidential", "personal"]
        for table, stream in STREAMS.items():
            columns = [column.name for column in glue_columns(stream.contract)] + ["ingest_date"]
            assert sorted(column for column, _ in given[table]) == sorted(columns), "each once"
        users = dict(given["fakestore_users"])
        assert {users[name] for name in ("email", "phone", "name_lastname", "address_street")} == {"personal"}
        assert {users[name] for name in ("id", "_batch_id", "ingest_date")} == {"internal"}
        assert dict(given["fakestore_products"])["title"] == "public"
        classified = {table: tags["classification"] for table, tags in whole.items()}
        assert classified.keys() == STREAMS.keys()
        assert [classified[f"fakestore_{stream}"] for stream in ("products", "users", "carts")] == [
            "internal", "personal", "internal",
        ]  # fmt: skip


def test_an_association_that_takes_anothers_place_is_not_undone_after_it(local: Any) -> None:
    """CloudFormation deletes the old one last, and with it the tags of the columns that are in both."""
    for name, it in of_kind(local.templates["lake"]["Resources"], "LakeFormation::TagAssociation").items():
        assert (it["UpdateReplacePolicy"], it["DeletionPolicy"]) == ("Retain", "Retain"), name


def test_who_reads_what_is_internal_reads_nothing_personal(local: Any) -> None:
    granted = {(who, kind): (permissions, values) for who, kind, permissions, values in grants(local)}

    assert set(granted) == {(who, kind) for who in (ANALYST, STEWARD) for kind in ("TABLE", "DATABASE")}
    assert granted[ANALYST, "TABLE"] == (["DESCRIBE", "SELECT"], ["public", "internal"])
    assert granted[STEWARD, "TABLE"][1] == ["public", "internal", "confidential", "personal"]
    assert granted[ANALYST, "DATABASE"] == (["DESCRIBE"], ["bronze"])


def grants(assembly: Any) -> Iterator[tuple[str, str, list[str], list[str]]]:
    for it in governing(assembly, "PrincipalPermissions").values():
        policy = it["Resource"]["LFTagPolicy"]
        (expression,) = policy["Expression"]
        who = it["Principal"]["DataLakePrincipalIdentifier"].removeprefix("arn:aws:iam::000000000000:")
        assert it["PermissionsWithGrantOption"] == []
        yield who, policy["ResourceType"], it["Permissions"], expression["TagValues"]


def test_nobody_reads_in_prod_until_somebody_is_named(prod: Any) -> None:
    assert list(grants(prod)) == []


def test_a_table_that_is_made_is_open_to_nobody_where_lake_formation_decides(every: Mapping[str, Any]) -> None:
    for environment, governed in {"local": True, "dev": False, "staging": True, "prod": True}.items():
        (database,) = every[environment].resources("AWS::Glue::Database").values()
        kinds = {r["Type"].split("::")[1] for r in every[environment].templates["lake"]["Resources"].values()}

        made_open = database["Properties"]["DatabaseInput"].get("CreateTableDefaultPermissions", "IAM decides")
        assert made_open == ([] if governed else "IAM decides")
        assert ("LakeFormation" in kinds) == governed


# -- Data Quality --------------------------------------------------------------------------------------


def test_every_table_has_the_ruleset_of_its_contract(every: Mapping[str, Any]) -> None:
    for environment, assembly in every.items():
        rulesets = {
            it["Properties"]["TargetTable"]["TableName"]: it
            for it in assembly.resources("AWS::Glue::DataQualityRuleset").values()
        }

        assert set(rulesets) == set(STREAMS)
        for table, stream in STREAMS.items():
            properties = rulesets[table]["Properties"]
            assert properties["Ruleset"] == ruleset(stream.contract)
            assert properties["TargetTable"]["DatabaseName"] == f"ingot_{environment}_bronze"
            assert properties["Name"] == f"ingot-{environment}-{table}"
            assert rulesets[table]["DependsOn"], "Glue refuses a ruleset of a table that is not there"
