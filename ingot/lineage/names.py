"""What a dataset is called in OpenLineage: a namespace, which is where it is, and a name in there.

The forms are the standard's own (https://openlineage.io/docs/spec/naming): others that look at the same bucket or
table, as Airflow and dbt do, say the same two words, and by them the parts of a graph join. For an API and for Kinesis
it has none yet: the address of the API and its path, and the ARN in two parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ingot.naming import Names, landing_prefix, table_name
from ingot.sources import Stream

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint


class Name(msgspec.Struct, frozen=True):
    """Where a dataset is, and what it is called there."""

    namespace: str
    name: str


def api(base_url: str, path: str) -> Name:
    """What is asked of a source: the same for every batch, so without parameters."""
    parts = urlsplit(f"{base_url.rstrip('/')}{path}")
    return Name(f"{parts.scheme}://{parts.netloc}", parts.path or "/")


def landing(bucket: str, stream: Stream) -> Name:
    """Where what lands for a stream lies in the Bronze bucket."""
    return Name(f"s3://{bucket}", landing_prefix(stream.source, stream.name).rstrip("/"))


def events(names: Names, stream: Stream) -> Name:
    """The Kinesis stream that the events of a stream are sent to."""
    where = f"arn:aws:kinesis:{names.region}:{names.account}"
    return Name(where, f"stream/{names.event_stream(stream.source, stream.name)}")


def accepted(bucket: str, source: str, stream: str) -> Name:
    """The accepted records of a stream in the Bronze bucket, of all batches."""
    return Name(f"s3://{bucket}", f"data/{source}/{stream}")


def refined(bucket: str, source: str, stream: str) -> Name:
    """The Parquet of a stream in the lake, of all batches."""
    return Name(f"s3://{bucket}", f"bronze/{source}/{stream}")


def loaded(endpoint: Endpoint, source: str, stream: str) -> Name:
    """The Bronze table of a stream."""
    return table(endpoint, f"bronze.{table_name(source, stream)}")


def table(endpoint: Endpoint, name: str) -> Name:
    """A table of the warehouse, with its schema."""
    engine = "redshift" if endpoint.engine.startswith("redshift") else "postgres"
    return Name(f"{engine}://{endpoint.host}:{endpoint.port}", f"{endpoint.dbname}.{name}")
