"""What the secret of each kind of warehouse says, and which adapter it chooses."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from ingot.errors import ConfigurationError
from ingot.warehouse import load_warehouse, read_endpoint

OURS = {"host": "db.example.com", "port": 5432, "username": "ingot", "password": "p", "dbname": "ingot"}
ADDED = {"dbClusterIdentifier": "ingot-dev"}
"""By Secrets Manager, when a cluster is attached:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html"""


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch):
    """``secret(value)``: its name."""
    for name, value in (
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def put(value: dict[str, object]) -> str:
        boto3.client("secretsmanager").create_secret(Name="ingot/dev/warehouse", SecretString=json.dumps(value))
        return "ingot/dev/warehouse"

    with mock_aws():
        yield put


@pytest.mark.parametrize(
    "value",
    [
        {"engine": "postgres", **OURS},
        {"engine": "postgres", **OURS, **ADDED},
        {"engine": "aurora-postgresql", **OURS, **ADDED},
        {"engine": "postgres", **OURS, "port": "5432"},
    ],
)
def test_a_postgres_whoever_wrote_the_secret_is_loaded_as_postgres(secret, value) -> None:
    endpoint = read_endpoint(secret(value))

    assert (endpoint.host, endpoint.port, endpoint.dbname) == ("db.example.com", 5432, "ingot")
    assert type(load_warehouse(endpoint)).__name__ == "PostgresWarehouse"


def test_a_secret_that_no_cluster_was_attached_to_yet_is_said_to_be_none(secret) -> None:
    with pytest.raises(ConfigurationError, match="does not describe a database"):
        read_endpoint(secret({"engine": "postgres", **{k: v for k, v in OURS.items() if k != "host"}}))
