"""A stream's table in the Glue Catalog, derived from its contract."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ingot.contract.glue import glue_columns
from ingot.naming import table_name
from ingot.sources import Stream

PARTITION = "ingest_date"
"""The column that tables are partitioned by."""
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class ContractTable(Construct):
    """Typed Parquet by ingest date, found by partition projection.

    With projection Athena computes which partitions there are: no crawler, and no catalog write when a batch
    is refined. See https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html

    Attributes:
        name: the table's.
        table: the resource.

    Args:
        scope, id: as for every construct.
        stream: whose contract gives the columns.
        database: the catalog's database; it must exist before.
        bucket: where the Parquet is.

    Example::

        ContractTable(self, "Carts", stream=source.streams["carts"], database=database, bucket=lake)
    """

    def __init__(
        self, scope: Construct, id: str, *, stream: Stream, database: glue.CfnDatabase, bucket: s3.IBucket
    ) -> None:
        super().__init__(scope, id)
        location = f"s3://{bucket.bucket_name}/bronze/{stream.source}/{stream.name}/"
        contract = stream.contract
        self.name = table_name(stream.source, stream.name)
        self.table = glue.CfnTable(
            self,
            "Table",
            catalog_id=cdk.Aws.ACCOUNT_ID,
            database_name=database.ref,
            table_input=glue.CfnTable.TableInputProperty(
                name=self.name,
                description=contract.description,
                table_type="EXTERNAL_TABLE",
                parameters={
                    "EXTERNAL": "TRUE",
                    "classification": "parquet",
                    "contract_version": contract.version,
                    "projection.enabled": "true",
                    f"projection.{PARTITION}.type": "date",
                    f"projection.{PARTITION}.format": "yyyy-MM-dd",
                    f"projection.{PARTITION}.range": "2020-01-01,NOW",
                    f"projection.{PARTITION}.interval": "1",
                    f"projection.{PARTITION}.interval.unit": "DAYS",
                    "storage.location.template": f"{location}{PARTITION}=${{{PARTITION}}}/",
                },
                partition_keys=[
                    glue.CfnTable.ColumnProperty(
                        name=PARTITION, type="date", comment="The UTC day that the batch's run stands for"
                    )
                ],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    location=location,
                    columns=[
                        glue.CfnTable.ColumnProperty(name=c.name, type=c.type, comment=c.comment or None)
                        for c in glue_columns(contract)
                    ],
                    input_format=f"{_PARQUET}.MapredParquetInputFormat",
                    output_format=f"{_PARQUET}.MapredParquetOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"
                    ),
                ),
            ),
        )
