"""The lake's and the catalog's stacks as they are deployed: what the APIs say is there, and what the queries answer."""

from __future__ import annotations

import datetime as dt
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingot.contract.arrow import arrow_schema
from ingot.contract.dqdl import ruleset
from ingot.contract.glue import glue_columns
from ingot.naming import Names
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names(environment="governed", account="000000000000", region="us-east-1")
SOURCES = load_sources(ROOT / "sources")
STREAMS = SOURCES["fakestore"].streams
PERSONAL = ("email", "username", "phone", "address_city")


@pytest.fixture(scope="module")
def deployed(cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Both stacks in the local cloud, with the laptop's settings and a name of their own: other tests have its."""
    import aws_cdk as cdk

    from infra.deployment import Deployment
    from infra.settings import load_settings
    from infra.stacks.catalog import CatalogStack
    from infra.stacks.lake import LakeStack

    out = tmp_path_factory.mktemp("cdk")
    laptop = load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5432"})
    settings = msgspec.structs.replace(laptop, environment=NAMES.environment)
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = cdk.App(outdir=str(out), analytics_reporting=False, context=flags, builtin_cloud_formation_validation=False)
    deployment = Deployment(settings=settings, names=NAMES, root=ROOT, build=out / "build")
    lake = LakeStack(app, deployment, SOURCES)
    CatalogStack(app, deployment, SOURCES, key=lake.key, access_logs=lake.access_logs)
    app.synth()
    bootstrapped = "/cdk-bootstrap/hnb659fds/version"
    cloud.client("ssm").put_parameter(Name=bootstrapped, Value="30", Type="String", Overwrite=True)
    cloudformation = cloud.client("cloudformation")
    for stack in ("ingot-governed-lake", "ingot-governed-catalog"):
        template = (out / f"{stack}.template.json").read_text(encoding="utf-8")
        cloudformation.create_stack(StackName=stack, TemplateBody=template)
        assert cloud.stack(stack)["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(stack)
    yield cloud
    for stack in ("ingot-governed-catalog", "ingot-governed-lake"):
        cloudformation.delete_stack(StackName=stack)
        assert cloud.stack(stack) is None, cloud.reasons(stack)
    cloud.client("ssm").delete_parameter(Name=bootstrapped)


def _tags(pairs: list[dict]) -> dict[str, str]:
    return {pair["TagKey"].removeprefix("ingot-governed-"): pair["TagValues"][0] for pair in pairs}


def test_the_lake_is_registered_with_a_role_that_reads_its_tables_only(deployed):
    lake, iam = deployed.client("lakeformation"), deployed.client("iam")
    location = lake.describe_resource(ResourceArn=f"arn:aws:s3:::{NAMES.lake_bucket}/bronze")["ResourceInfo"]
    role = location["RoleArn"].rsplit("/", 1)[-1]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]

    allowed = {action: s["Resource"] for s in document["Statement"] for action in [s["Action"]]}
    assert set(allowed) == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    assert allowed["s3:GetObject"] == f"arn:aws:s3:::{NAMES.lake_bucket}/bronze/*"
    role = "role/cdk-hnb659fds-cfn-exec-role-000000000000-us-east-1"
    admins = lake.get_data_lake_settings()["DataLakeSettings"]["DataLakeAdmins"]
    assert {"DataLakePrincipalIdentifier": f"arn:aws:iam::000000000000:{role}"} in admins


def test_every_column_carries_how_its_contract_classifies_it(deployed):
    lake = deployed.client("lakeformation")
    for stream in STREAMS.values():
        place = {"CatalogId": NAMES.account, "DatabaseName": NAMES.glue_database, "Name": f"fakestore_{stream.name}"}
        names = [column.name for column in glue_columns(stream.contract)] + ["ingest_date"]
        on_table = lake.get_resource_lf_tags(Resource={"Table": place})["LFTagsOnTable"]
        on_columns = {
            found["Name"]: _tags(found["LFTags"])["classification"]
            for found in lake.get_resource_lf_tags(Resource={"TableWithColumns": {**place, "ColumnNames": names}})[
                "LFTagsOnColumns"
            ]
        }

        assert set(on_columns) == set(names), stream.name
        strictest = "personal" if stream.name == "users" else "internal"
        assert _tags(on_table) == {"source": "fakestore", "layer": "bronze", "classification": strictest}
        if stream.name == "users":
            assert {on_columns[name] for name in PERSONAL} == {"personal"}
            assert on_columns["id"] == on_columns["_batch_id"] == on_columns["ingest_date"] == "internal"


def test_an_analyst_is_granted_what_is_internal_and_nothing_personal(deployed):
    grants = deployed.client("lakeformation").list_permissions()["PrincipalResourcePermissions"]
    read = {
        grant["Principal"]["DataLakePrincipalIdentifier"].rsplit("/", 1)[-1]: (
            sorted(grant["Permissions"]),
            grant["Resource"]["LFTagPolicy"]["Expression"][0]["TagValues"],
        )
        for grant in grants
        if grant["Resource"]["LFTagPolicy"]["ResourceType"] == "TABLE"
    }

    assert read["ingot-local-analyst"] == (["DESCRIBE", "SELECT"], ["public", "internal"])
    assert read["ingot-local-steward"][1] == ["public", "internal", "confidential", "personal"]


def test_every_table_has_the_ruleset_of_its_contract(deployed):
    glue = deployed.client("glue")
    for stream in STREAMS.values():
        target = {"DatabaseName": NAMES.glue_database, "TableName": f"fakestore_{stream.name}"}
        (listed,) = glue.list_data_quality_rulesets(Filter={"TargetTable": target})["Rulesets"]

        assert glue.get_data_quality_ruleset(Name=listed["Name"])["Ruleset"] == ruleset(stream.contract)


def test_the_workgroup_enforces_limit_and_encryption(deployed):
    group = deployed.client("athena").get_work_group(WorkGroup=NAMES.athena_workgroup)["WorkGroup"]
    configuration, results = group["Configuration"], group["Configuration"]["ResultConfiguration"]
    key = deployed.client("kms").describe_key(KeyId="alias/ingot-governed")["KeyMetadata"]["Arn"]

    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 1_000_000_000
    assert results["OutputLocation"] == f"s3://{NAMES.athena_bucket}/results/"
    assert results["EncryptionConfiguration"] == {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    rules = deployed.client("s3").get_bucket_lifecycle_configuration(Bucket=NAMES.athena_bucket)["Rules"]
    assert {"ID": "expire", "Days": 1} in [
        {"ID": rule["ID"], "Days": rule.get("Expiration", {}).get("Days")} for rule in rules
    ]


def test_every_saved_query_answers(deployed):
    """One batch of today with a repeated key, and an older one with an older version of it, in each of Fakestore's
    tables; those of other sources are empty."""
    athena = deployed.client("athena")
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    for stream in STREAMS.values():
        _put(deployed, stream, now, "new", rows=2)
        _put(deployed, stream, now - dt.timedelta(days=3), "old", rows=1)
    queries = {
        query["Name"]: query
        for number in athena.list_named_queries(WorkGroup=NAMES.athena_workgroup)["NamedQueryIds"]
        for query in [athena.get_named_query(NamedQueryId=number)["NamedQuery"]]
    }

    assert len(queries) == 4 * sum(len(source.streams) for source in SOURCES.values()) + len(SOURCES)
    answers = {name: _answer(athena, query) for name, query in queries.items()}
    for stream in STREAMS:
        table = f"fakestore_{stream}"
        assert [row["_batch_id"] for row in answers[f"{table} newest rows"]] == ["new", "new", "old"]
        assert [(row["_batch_id"], row["_line"]) for row in answers[f"{table} as it is now"]] == [("new", "1")]
        assert [(row["_batch_id"], row["rows"]) for row in answers[f"{table} rows by batch"]] == [
            ("new", "2"),
            ("old", "1"),
        ]
        assert [(row["_batch_id"], row["rows"]) for row in answers[f"{table} repeated keys"]] == [("new", "2")]
    assert [(row["stream"], row["hours_old"], row["batches"]) for row in answers["fakestore freshness"]] == [
        (stream, "0", "2") for stream in sorted(STREAMS)
    ]


def _put(cloud, stream, at: dt.datetime, batch: str, *, rows: int) -> None:
    schema = arrow_schema(stream.contract)
    known = {"id": 1, "_batch_id": batch, "_ingested_at": at, "_record_hash": "0" * 64, "_deleted": False}
    table = pa.Table.from_pylist(
        [{**dict.fromkeys(schema.names), **known, "_line": line} for line in range(rows)],
        schema=pa.schema([field.with_nullable(True) for field in schema]),
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    key = f"bronze/fakestore/{stream.name}/ingest_date={at:%Y-%m-%d}/{batch}.parquet"
    cloud.client("s3").put_object(Bucket=NAMES.lake_bucket, Key=key, Body=buffer.getvalue())


def _answer(athena, query: dict) -> list[dict[str, str]]:
    run = athena.start_query_execution(QueryString=query["QueryString"], WorkGroup=query["WorkGroup"])[
        "QueryExecutionId"
    ]
    deadline = time.monotonic() + 60
    while (status := athena.get_query_execution(QueryExecutionId=run)["QueryExecution"]["Status"])["State"] in (
        "QUEUED",
        "RUNNING",
    ):
        assert time.monotonic() < deadline, query["Name"]
        time.sleep(0.02)
    assert status["State"] == "SUCCEEDED", (query["Name"], status)
    head, *rows = athena.get_query_results(QueryExecutionId=run)["ResultSet"]["Rows"]
    names = [cell["VarCharValue"] for cell in head["Data"]]
    return [dict(zip(names, (cell.get("VarCharValue") for cell in row["Data"]), strict=True)) for row in rows]
