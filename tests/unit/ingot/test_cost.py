"""What fixed parts and batches cost, by prices that a test makes up and by those of the table."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from ingot.attempt import Attempt
from ingot.cli.app import app
from ingot.cost import Price, Prices, Worker, batch_cost, fixed_lines, load_prices, read_templates
from ingot.cost.prices import PRICES_FILE
from ingot.errors import ConfigurationError
from ingot.manifest import Landed, Manifest, Part

UTC = dt.UTC
DAY = dt.datetime(2020, 1, 1, tzinfo=UTC)


def price(usd: str, unit: str) -> Price:
    return Price(usd=Decimal(usd), unit=unit, source="https://aws.amazon.com/", read="aws", date=dt.date(2026, 1, 1))


PRICES = Prices(
    region="us-east-1",
    date=dt.date(2026, 1, 1),
    hours_per_month=100,
    dpu={"G.1X": Decimal(1), "G.2X": Decimal(2)},
    prices={
        "kms-key": price("1", "key-month"),
        "interface-endpoint": price("0.02", "zone-hour"),
        "aurora-acu": price("0.1", "ACU-hour"),
        "mw1-small-environment": price("0.5", "environment-hour"),
        "mw1-small-worker": price("0.05", "worker-hour"),
        "kinesis-shard": price("0.01", "shard-hour"),
        "cloudwatch-metric": price("0.3", "metric-month"),
        "glue-dpu": price("0.36", "DPU-hour"),
        "s3-write": price("1", "thousand requests"),
        "s3-read": price("0.1", "thousand requests"),
        "s3-storage": price("2", "GB-month"),
    },
)


def costs(**resources: dict[str, Any]) -> dict[str, Decimal]:
    """``{type} {price}`` → dollars a month, of what has a price."""
    lines = fixed_lines({"stack": {"Resources": resources}}, PRICES)
    return {f"{line.what} {line.price}": line.usd for line in lines if line.price}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def test_what_there_is_by_the_month_counts_once_each() -> None:
    assert costs(A=resource("KMS::Key"), B=resource("KMS::Key")) == {"KMS::Key kms-key": 2}


def test_an_interface_endpoint_costs_in_every_zone_and_a_gateway_nowhere() -> None:
    interface = resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b", "c"])

    assert costs(A=interface, B=interface, S3=resource("EC2::VPCEndpoint", VpcEndpointType="Gateway")) == {
        "EC2::VPCEndpoint interface-endpoint": Decimal("0.02") * 6 * 100
    }


def test_aurora_costs_its_least_capacity_for_every_instance_and_nothing_where_it_may_pause() -> None:
    def cluster(least: float) -> dict[str, Any]:
        return resource("RDS::DBCluster", ServerlessV2ScalingConfiguration={"MinCapacity": least, "MaxCapacity": 8})

    of_it = resource("RDS::DBInstance", DBClusterIdentifier={"Ref": "Cluster"})
    of_another = resource("RDS::DBInstance", DBClusterIdentifier={"Ref": "Other"})

    assert costs(Cluster=cluster(0.5), Writer=of_it, Reader=of_it, Else=of_another) == {
        "RDS::DBCluster aurora-acu": Decimal("0.1") * 100
    }
    assert costs(Cluster=cluster(0), Writer=of_it) == {"RDS::DBCluster aurora-acu": 0}


def test_airflow_costs_its_environment_and_every_worker_but_the_first() -> None:
    environment = resource("MWAA::Environment", EnvironmentClass="mw1.small", MinWorkers=3)

    assert costs(A=environment) == {
        "MWAA::Environment mw1-small-environment": 50,
        "MWAA::Environment mw1-small-worker": Decimal("0.05") * 2 * 100,
        "MWAA::Environment interface-endpoint": Decimal("0.02") * 2 * 100,
    }


def test_private_pages_of_airflow_cost_an_endpoint_in_both_subnets_more() -> None:
    private = resource("MWAA::Environment", WebserverAccessMode="PRIVATE_ONLY")

    assert costs(A=private)["MWAA::Environment interface-endpoint"] == Decimal("0.02") * 4 * 100


def test_a_streams_shards_and_a_filters_metrics_are_counted() -> None:
    filters = resource("Logs::MetricFilter", MetricTransformations=[{}, {}])

    assert costs(A=resource("Kinesis::Stream", ShardCount=2), B=filters) == {
        "Kinesis::Stream kinesis-shard": 2,
        "Logs::MetricFilter cloudwatch-metric": Decimal("0.6"),
    }


def test_what_nobody_has_thought_of_is_told_from_what_is_free_and_from_what_costs_by_use() -> None:
    template = {
        "Resources": {
            "Known": resource("S3::Bucket"),
            "Free": resource("IAM::Role"),
            "New": resource("Neptune::DBCluster"),
            "Larger": resource("MWAA::Environment", EnvironmentClass="mw1.9xlarge"),
            "Ours": {"Type": "Custom::Something"},
        }
    }
    lines = fixed_lines({"stack": template}, PRICES)

    assert {line.what: line.unknown for line in lines} == {
        "S3::Bucket": False,
        "Neptune::DBCluster": True,
        "MWAA::Environment": True,
    }


def attempted(step: str, seconds: float, state: str = "SUCCEEDED") -> Attempt:
    return Attempt(
        batch_id="fakestore.carts.x",
        source="fakestore",
        stream="carts",
        interval_start=DAY,
        interval_end=DAY + dt.timedelta(days=1),
        step=step,
        state=state,  # type: ignore[arg-type]
        started_at=DAY,
        seconds=seconds,
    )


def part(stored: int) -> Part:
    return Part(key="k", records=1, bytes=1, stored_bytes=stored, sha256="0" * 64)


def committed() -> Manifest:
    return Manifest(
        batch_id="fakestore.carts.x",
        source="fakestore",
        stream="carts",
        mode="interval",
        interval_start=DAY,
        interval_end=DAY + dt.timedelta(days=1),
        as_of=DAY,
        accepted=2,
        rejected=1,
        parts=(part(2**29), part(2**28)),
        rejects=part(2**28),
        reject_rules={},
        requests=(),
        contract_id="c",
        contract_version="1.0.0",
        code_version="0",
        redacted=(),
        drift=(),
        watermark=None,
        started_at=DAY,
        committed_at=DAY,
        seconds=1.0,
    )


WORKERS = {"extract": Worker(kind="G.1X", count=2), "refine": Worker(kind="G.2X", count=3)}


def test_glue_bills_a_minute_at_least_and_every_attempt() -> None:
    tries = [attempted("extract", 3.0, "FAILED"), attempted("extract", 60.2), attempted("refine", 100.0)]

    cost = batch_cost("fakestore.carts.x", tries, committed(), WORKERS, PRICES)

    assert cost.dpu_seconds == 60 * 2 + 61 * 2 + 100 * 6
    assert cost.glue_usd == cost.dpu_seconds * Decimal("0.36") / 3600
    assert (cost.attempts, cost.seconds, cost.state) == (3, 163.2, "COMMITTED")


def test_a_batch_pays_for_its_requests_once_and_for_its_objects_every_month() -> None:
    cost = batch_cost("x", [attempted("extract", 1), attempted("refine", 1)], committed(), WORKERS, PRICES)

    # Each attempt: a list and two records. Three objects, a manifest and the Parquet; refine reads manifest and parts.
    assert (cost.writes, cost.reads) == (2 * 3 + 3 + 1 + 1, 1 + 2)
    assert cost.s3_usd == Decimal("0.011") + Decimal("0.0003")
    assert cost.usd == cost.glue_usd + cost.s3_usd
    assert (cost.stored_bytes, cost.storage_usd) == (2**30, 2)


def test_what_landed_is_read_once_and_what_was_taken_before_is_not_stored_again() -> None:
    def landed(ledger: str) -> Manifest:
        objects = [Landed(key=k, etag="e", sha256="s", modified=DAY, bytes=1, records=1, accepted=1) for k in "abc"]
        taken = msgspec.structs.replace(part(5), key=f"known/s/t/{ledger}/keys-0.jsonl.zst")
        return msgspec.structs.replace(committed(), landed=tuple(objects), taken=taken)

    new, old = (
        batch_cost("x", [attempted("extract", 1)], landed(ledger), WORKERS, PRICES)
        for ledger in ("fakestore.carts.x", "another")
    )

    assert (new.reads, old.reads) == (3, 3)
    assert (new.stored_bytes - old.stored_bytes, new.writes - old.writes) == (5, 1)


def test_what_failed_cost_too() -> None:
    cost = batch_cost("x", [attempted("extract", 1, "FAILED")], None, WORKERS, PRICES)

    assert (cost.state, cost.dpu_seconds, cost.writes, cost.storage_usd) == ("FAILED", 120, 3, 0)


def test_every_price_says_where_it_is_from() -> None:
    prices = load_prices()

    for name, each in prices.prices.items():
        assert each.usd > 0, name
        assert each.source.startswith("https://aws.amazon.com/"), name
        assert each.date <= prices.date, name
        assert str(each.usd) == str(Decimal(str(each.usd))), "a price is a decimal, not a float's neighbour"


def test_a_price_without_its_source_is_refused(tmp_path: Path) -> None:
    table = yaml.safe_load(PRICES_FILE.read_text(encoding="utf-8"))
    del table["prices"]["kms-key"]["seen"]
    file = tmp_path / "prices.yaml"
    file.write_text(yaml.safe_dump(table), encoding="utf-8")

    with pytest.raises(ConfigurationError, match="names the page in seen"):
        load_prices(file)


def test_an_environment_that_was_not_synthesised_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cdk synth -c environment=prod"):
        read_templates(tmp_path, "prod")


@pytest.mark.parametrize(
    ("resources", "code"), [({"Key": "AWS::KMS::Key"}, 0), ({"New": "AWS::Neptune::DBCluster"}, 1)]
)
def test_the_command_prints_the_sum_and_fails_where_it_is_too_small(
    tmp_path: Path, resources: dict[str, str], code: int
) -> None:
    template = {"Resources": {name: {"Type": kind} for name, kind in resources.items()}}
    (tmp_path / "ingot-prod-lake.template.json").write_text(json.dumps(template), encoding="utf-8")
    (tmp_path / "ingot-dev-lake.template.json").write_text(json.dumps({"Resources": {}}), encoding="utf-8")
    call = ["cost", "environment", "prod", "--assembly", str(tmp_path)]

    told, asked = CliRunner().invoke(app, [*call, "--json"]), CliRunner().invoke(app, call)

    assert (told.exit_code, asked.exit_code) == (code, code)
    answer = json.loads(told.stdout)
    assert answer["usd_month"] == (1 - code)
    assert [each["stack"] for each in answer["parts"]] == ["ingot-prod-lake"]
    assert ("at least" in asked.stdout) is (code == 1)
    assert "wait to be checked" in asked.stdout
