"""The stacks: what holds data is protected, what is derived follows its source, what is named is as agreed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingot import __version__
from ingot.contract.glue import glue_columns
from ingot.naming import JOBS, Names, table_name
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
SOURCES = load_sources(ROOT / "sources")
STREAMS = [stream for source in SOURCES.values() for stream in source.streams.values()]
LOCAL = Names(environment="local", account="000000000000", region="us-east-1")
HOLD_DATA = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret")


def named_buckets(assembly: Any) -> dict[str, dict[str, Any]]:
    """The buckets that parts agree on, by name; that of the access logs has none."""
    buckets = [bucket["Properties"] for bucket in assembly.resources("AWS::S3::Bucket").values()]
    return {bucket["BucketName"]: bucket for bucket in buckets if "BucketName" in bucket}


def test_the_agreed_buckets_are_there(local: Any) -> None:
    assert set(named_buckets(local)) == {
        LOCAL.bronze_bucket,
        LOCAL.lake_bucket,
        LOCAL.artifacts_bucket,
        LOCAL.dags_bucket,
        LOCAL.athena_bucket,
    }


def test_every_bucket_is_encrypted_with_the_lakes_key(local: Any) -> None:
    (key_id,) = (path.split("/")[1] for path in local.resources("AWS::KMS::Key") if path.startswith("lake/"))
    for name, bucket in named_buckets(local).items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]

        assert default["SSEAlgorithm"] == "aws:kms", name
        assert key_id in json.dumps(default["KMSMasterKeyID"]), name


def test_every_bucket_keeps_versions_and_is_never_public(local: Any) -> None:
    buckets = local.resources("AWS::S3::Bucket")

    assert len(buckets) == 6
    for name, bucket in buckets.items():
        assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}, name
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}, name


def test_every_bucket_refuses_what_is_not_encrypted_on_the_way(local: Any) -> None:
    policies = {
        (path.split("/")[0], policy["Properties"]["Bucket"]["Ref"]): policy["Properties"]["PolicyDocument"]
        for path, policy in local.resources("AWS::S3::BucketPolicy").items()
    }
    for path in local.resources("AWS::S3::Bucket"):
        purpose, logical_id = path.split("/")
        refused = [
            statement
            for statement in policies[purpose, logical_id]["Statement"]
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        ]

        assert [(s["Effect"], s["Action"], s["Principal"]) for s in refused] == [("Deny", "s3:*", {"AWS": "*"})]
        assert len(refused[0]["Resource"]) == 2, "the bucket and its objects"


def test_every_buckets_requests_are_logged_and_only_this_accounts(local: Any) -> None:
    (logs,) = (
        path.split("/")[1]
        for path, bucket in local.resources("AWS::S3::Bucket").items()
        if "BucketName" not in bucket["Properties"]
    )
    for name, bucket in named_buckets(local).items():
        assert logs in json.dumps(bucket["LoggingConfiguration"]["DestinationBucketName"]), name
    (delivery,) = (
        statement
        for policy in local.resources("AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    )

    assert delivery["Condition"] == {"StringEquals": {"aws:SourceAccount": "000000000000"}}


def test_old_versions_and_abandoned_uploads_expire(local: Any, prod: Any) -> None:
    for assembly, days in ((local, 7), (prod, 90)):
        for name, bucket in named_buckets(assembly).items():
            rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
            rule = rules["old-versions"]

            assert rule["Status"] == "Enabled", name
            assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": days}, name
            assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}, name
            assert "ExpirationInDays" not in rule, name
            assert ("expire" in rules) == ("-athena-" in name), "current data never expires; answers do"


def test_data_becomes_cheaper_with_age_where_the_settings_say_so(local: Any, prod: Any) -> None:
    def tiered(assembly: Any) -> set[str]:
        return {
            name.split("-")[2]
            for name, bucket in named_buckets(assembly).items()
            for rule in bucket["LifecycleConfiguration"]["Rules"]
            if rule.get("Transitions") == [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 30}]
        }

    assert tiered(local) == set()
    assert tiered(prod) == {"bronze", "lake"}


def test_keys_rotate_and_the_lakes_has_an_alias(local: Any) -> None:
    keys = local.resources("AWS::KMS::Key")
    (alias,) = local.resources("AWS::KMS::Alias").values()

    assert {path.split("/")[0] for path in keys} == {"lake", "observability"}, "one more for the messages of alarms"
    assert all(key["Properties"]["EnableKeyRotation"] is True for key in keys.values())
    assert alias["Properties"]["AliasName"] == "alias/ingot-local"


@pytest.mark.parametrize(
    ("environment", "context", "policy"),
    [
        ("local", {}, "Retain"),  # the settings alone
        ("prod", {"allow_data_deletion": "true"}, "Retain"),  # the command line alone
        ("local", {"allow_data_deletion": "true"}, "Delete"),
    ],
)
def test_data_goes_only_if_settings_and_command_line_both_say_so(
    synthesise: Callable[..., Any], environment: str, context: dict[str, str], policy: str
) -> None:
    assembly = synthesise(environment, **context)
    for kind in HOLD_DATA:
        for path, resource in assembly.resources(kind).items():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, policy), path
    emptied = assembly.resources("Custom::S3AutoDeleteObjects")

    assert len(emptied) == (6 if policy == "Delete" else 0)


def test_the_access_logs_are_emptied_after_every_bucket_that_writes_them(synthesise: Callable[..., Any]) -> None:
    lake = synthesise("local", allow_data_deletion="true").templates["lake"]["Resources"]
    (emptying,) = (
        name
        for name, resource in lake.items()
        if resource["Type"] == "Custom::S3AutoDeleteObjects" and name.startswith("AccessLogs")
    )
    logged = [bucket for bucket in lake.values() if "LoggingConfiguration" in bucket.get("Properties", {})]

    assert len(logged) == 3
    assert all(emptying in bucket["DependsOn"] for bucket in logged)


def test_a_stream_has_a_table_whose_columns_are_its_contracts(local: Any) -> None:
    tables = {
        table["Properties"]["TableInput"]["Name"]: table["Properties"]
        for table in local.resources("AWS::Glue::Table").values()
    }

    assert set(tables) == {f"{stream.source}_{stream.name}" for stream in STREAMS}
    for stream in STREAMS:
        table = tables[f"{stream.source}_{stream.name}"]["TableInput"]
        assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == [
            (c.name, c.type) for c in glue_columns(stream.contract)
        ]
        assert table["Description"] == stream.contract.description
        assert table["Parameters"]["contract_version"] == stream.contract.version


def test_partitions_are_projected_so_that_nobody_registers_them(local: Any) -> None:
    places = {
        table_name(source.name, stream): (source.name, stream)
        for source in SOURCES.values()
        for stream in source.streams
    }
    for table in local.resources("AWS::Glue::Table").values():
        table_input = table["Properties"]["TableInput"]
        parameters, location = table_input["Parameters"], flat(table_input["StorageDescriptor"]["Location"])

        assert [(key["Name"], key["Type"]) for key in table_input["PartitionKeys"]] == [("ingest_date", "date")]
        assert parameters["projection.enabled"] == "true"
        assert parameters["projection.ingest_date.type"] == "date"
        assert parameters["projection.ingest_date.format"] == "yyyy-MM-dd"
        assert parameters["projection.ingest_date.range"] == "2020-01-01,NOW"
        template = flat(parameters["storage.location.template"])
        assert template == f"{location}ingest_date=${{ingest_date}}/"
        source, stream = places[table_input["Name"]]
        assert location.endswith(f"/bronze/{source}/{stream}/")


def flat(value: Any) -> str:
    """A template's string with its references left out."""
    if isinstance(value, str):
        return value
    return "".join(part for part in value["Fn::Join"][1] if isinstance(part, str))


@pytest.mark.parametrize("step", JOBS)
def test_a_source_has_a_job_a_step_and_operation_with_the_agreed_arguments(local: Any, step: str) -> None:
    jobs = {job["Properties"]["Name"]: job["Properties"] for job in local.resources("AWS::Glue::Job").values()}
    job = jobs[LOCAL.job("fakestore", step)]
    given = job["DefaultArguments"]
    artifacts = f"s3://{LOCAL.artifacts_bucket}"

    agreed = {
        "--source": "fakestore",
        "--sources_uri": f"{artifacts}/sources",
        "--additional-python-modules": f"{artifacts}/wheels/ingot-{__version__}.gluewheels.zip",
        "--python-modules-installer-option": "--no-index",
    }
    assert given.items() >= agreed.items()
    assert given["--bronze_bucket"] == LOCAL.bronze_bucket
    assert given.get("--lake_bucket") == (LOCAL.lake_bucket if step in ("refine", "load", "rebuild") else None)
    in_warehouse = step in ("load", "audit", "rebuild")
    assert given.get("--warehouse_secret") == (LOCAL.warehouse_secret if in_warehouse else None)
    assert "--source_secret" not in given, "it asks for no credentials"
    assert job["Command"]["ScriptLocation"] == f"{artifacts}/jobs/{step}.py"
    assert (job["GlueVersion"], job["WorkerType"], job["NumberOfWorkers"]) == ("6.0", "G.1X", 2)
    runs = job["ExecutionProperty"]["MaxConcurrentRuns"]
    assert runs == 1 if step == "rebuild" else runs >= len(STREAMS)
    assert job["MaxRetries"] == 0, "the orchestrator retries, and knows what is worth it"


def test_a_source_with_credentials_has_a_secret_that_a_person_fills(guarded: Any) -> None:
    (secret,) = (
        secret
        for secret in guarded.resources("AWS::SecretsManager::Secret").values()
        if secret["Properties"]["Name"] == LOCAL.source_secret("fakestore")
    )
    arguments = {
        job["Properties"]["Name"]: job["Properties"]["DefaultArguments"].get("--source_secret")
        for job in guarded.resources("AWS::Glue::Job").values()
    }

    assert not {"SecretString", "GenerateSecretString"} & set(secret["Properties"]), "no deployment overwrites it"
    assert "Key" in json.dumps(secret["Properties"]["KmsKeyId"])
    assert secret["DeletionPolicy"] == "Retain"
    assert {name: value for name, value in arguments.items() if value} == {
        LOCAL.job("fakestore", "extract"): "ingot/local/source/fakestore"
    }


def test_a_job_never_points_at_code_that_is_not_there_yet(local: Any) -> None:
    uploads = {path.split("/")[1] for path in local.resources("Custom::CDKBucketDeployment") if "jobs/" in path}

    assert len(uploads) == 2
    for job in local.resources("AWS::Glue::Job").values():
        assert uploads <= set(job["DependsOn"])


def test_sources_are_mirrored_and_wheels_of_before_are_kept(local: Any) -> None:
    prune = {
        upload["Properties"].get("DestinationBucketKeyPrefix"): upload["Properties"]["Prune"]
        for path, upload in local.resources("Custom::CDKBucketDeployment").items()
        if path.startswith("jobs/")
    }

    assert prune == {"sources": True, None: False}


def test_recordings_of_a_source_stay_behind(local: Any) -> None:
    folder = local.files[0].parent
    uploaded = [path.parent for path in folder.glob("asset.*/fakestore/source.yaml")]
    assert uploaded
    assert not list(folder.glob("asset.*/**/recorded*"))


def test_the_jobs_logs_are_encrypted_and_expire(local: Any, prod: Any) -> None:
    for assembly, days in ((local, 7), (prod, 365)):
        groups = {
            group["Properties"]["LogGroupName"]: group["Properties"]
            for group in assembly.resources("AWS::Logs::LogGroup").values()
        }
        prefix = f"/aws-glue/jobs/ingot-{assembly.environment}"

        assert {group["RetentionInDays"] for group in groups.values()} == {days}
        for job in assembly.resources("AWS::Glue::Job").values():
            assert job["Properties"]["DefaultArguments"]["--custom-logGroup-prefix"] == prefix
        for kind in ("output", "error"):
            assert "KmsKeyId" in groups[f"{prefix}/{kind}"]


def test_the_warehouses_password_is_made_in_the_account_and_fits_into_a_url(local: Any) -> None:
    (secret,) = (secret["Properties"] for secret in local.resources("AWS::SecretsManager::Secret").values())
    generated = secret["GenerateSecretString"]

    assert secret["Name"] == LOCAL.warehouse_secret
    assert "SecretString" not in secret
    assert generated["GenerateStringKey"] == "password"
    assert generated["ExcludePunctuation"] is True
    assert json.loads(generated["SecretStringTemplate"]) == {
        "engine": "postgres",
        "host": "localhost",
        "port": 5433,
        "username": "ingot",
        "dbname": "ingot",
    }
    assert "Key" in json.dumps(secret["KmsKeyId"])


def test_the_dag_bundle_mirrors_into_the_dag_bucket(local: Any) -> None:
    uploads = {
        upload["Properties"]["DestinationBucketKeyPrefix"]: upload["Properties"]
        for path, upload in local.resources("Custom::CDKBucketDeployment").items()
        if path.startswith("orchestration/")
    }
    (setup,) = uploads.keys() - {"dags"}
    resources = local.templates["orchestration"]["Resources"]
    buckets = {resources[one["DestinationBucketName"]["Ref"]]["Properties"]["BucketName"] for one in uploads.values()}

    assert buckets == {LOCAL.dags_bucket}
    assert uploads["dags"]["Prune"] is True
    assert setup.startswith("setup/")
    assert uploads[setup]["Prune"] is False, "what an environment still runs from stays"


def test_synthesising_again_changes_nothing(synthesise: Callable[..., Any], local: Any) -> None:
    again = synthesise.__wrapped__("local")  # type: ignore[attr-defined]  # past the cache

    assert again is not local
    assert again.templates == local.templates


def test_prod_has_what_staging_has(every: Any) -> None:
    """What is tried there is what comes here; the others may have less, or what stands in for it."""

    def shape(assembly: Any) -> dict[str, list[str]]:
        return {
            purpose: sorted({resource["Type"] for resource in template["Resources"].values()})
            for purpose, template in assembly.templates.items()
        }

    assert shape(every["staging"]) == shape(every["prod"])
