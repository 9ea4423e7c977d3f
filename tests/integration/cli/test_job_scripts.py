"""A job that cannot even read its source or its secret leaves a failed attempt, and the audit tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import msgspec

from ingot.batch import Batch, parse_time
from ingot.cli import jobs

if TYPE_CHECKING:
    from conftest import Deployed


def test_what_a_step_needs_and_cannot_read_is_a_failure_on_record(deployed: Deployed) -> None:
    start, end = parse_time("2020-01-01"), parse_time("2020-02-01")
    carts, users = (
        Batch(source="fakestore", stream=stream, interval_start=start, interval_end=end)
        for stream in ("carts", "users")
    )
    secrets = boto3.client("secretsmanager")
    secrets.put_secret_value(SecretId=deployed.names.warehouse_secret, SecretString="not what RDS writes")
    load = jobs.Chain(label=users.id, steps=[jobs.batch_step(deployed.names, users, "load", end)])
    (no_secret,) = jobs.run([load])
    secrets.put_secret_value(
        SecretId=deployed.names.warehouse_secret, SecretString=msgspec.json.encode(deployed.endpoint).decode()
    )
    deployed.edit("source.yaml", "name: fakestore", "name: [fakestore")
    extract = jobs.Chain(label=carts.id, steps=[jobs.batch_step(deployed.names, carts, "extract", end)])
    (no_source,) = jobs.run([extract])
    assert "ConfigurationError" in (no_secret.reason or "")
    assert "ConfigurationError" in (no_source.reason or "")

    assert jobs.run([jobs.audit_chain(deployed.names, "fakestore", start, end)])[0].reason is None

    failed = deployed.rows("select stream, state, error, reason from audit.batches order by stream")
    assert [(row["stream"], row["state"], row["error"]) for row in failed] == [
        ("carts", "FAILED", "ConfigurationError"),
        ("users", "FAILED", "ConfigurationError"),
    ]
    assert "/fakestore/source.yaml" in failed[0]["reason"]
    assert deployed.names.warehouse_secret in failed[1]["reason"]
    assert "not what RDS writes" not in failed[1]["reason"]
