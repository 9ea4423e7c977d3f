"""Events to the landing prefix: a Kinesis stream, and the Firehose stream that delivers what is put into it."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.log_group import EncryptedLogGroup
from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource
from infra.settings import EventStreams
from ingot.errors import ConfigurationError
from ingot.naming import failed_prefix, landing_prefix
from ingot.sources import Stream

PARTITION = "day"
LOG_STREAM = "S3Delivery"
LONGEST_NAME = 64
"""Of a Firehose stream: https://docs.aws.amazon.com/firehose/latest/APIReference/API_CreateDeliveryStream.html"""
RETRY_SECONDS = 300
"""How long a delivery that failed is tried again, before its records are put below ``failed/``."""


class DeliveryStream(Construct):
    """A Kinesis stream on demand, and a Firehose stream that delivers it below ``landing/{source}/{stream}/``.

    Objects are gzipped NDJSON, one day's events each, by the field that the stream is partitioned by:
    ``landing/{source}/{stream}/day=2026-03-01/…gz``. What is no JSON cannot be partitioned, and is put below
    ``failed/`` in the same prefix, each record in an envelope: the extract step takes it from there, and the gate
    refuses it, so that nothing that was sent is lost. Its role reads its own stream and writes below its own prefix.

    Who sends needs ``kinesis:PutRecords`` on the stream and ``kms:GenerateDataKey`` on the lake's key; see
    :meth:`grant_send`.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: of all such streams.
        stream: which; it declares a ``delivery``.
        key: the lake's.

    Attributes:
        stream: the Kinesis stream.

    Raises:
        ConfigurationError: its name is too long for Firehose.

    Example::

        DeliveryStream(self, "orders", deployment, settings=settings.event_streams, stream=orders, key=lake.key)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: EventStreams,
        stream: Stream,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        assert stream.delivery is not None
        self._key = key
        name = deployment.names.event_stream(stream.source, stream.name)
        if len(name) > LONGEST_NAME:
            raise ConfigurationError(
                f"The stream {stream.source}.{stream.name} would be called {name}, and Firehose takes "
                f"{LONGEST_NAME} characters.",
                hint="shorten the name of the source or of its stream",
            )
        self._prefix = landing_prefix(stream.source, stream.name)
        self._bucket_arn = cdk.Stack.of(self).format_arn(
            service="s3", region="", account="", resource=deployment.names.bronze_bucket
        )
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_name=name,
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            retention_period=cdk.Duration.hours(settings.retention_hours),
            removal_policy=deployment.removal_policy,
        )
        acknowledge(
            self.stream,
            {"AwsSolutions-KDS3": "It has the lake's key, as all that is stored: who may not use it reads no event."},
        )
        log = EncryptedLogGroup(self, "Log", deployment, name=f"/aws/kinesisfirehose/{name}", key=key).group
        log_stream = logs.CfnLogStream(self, "LogStream", log_group_name=log.log_group_name, log_stream_name=LOG_STREAM)
        role = self._role(stream, log)
        delivery = firehose.CfnDeliveryStream(
            self,
            "Delivery",
            delivery_stream_name=name,
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=firehose.CfnDeliveryStream.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=self.stream.stream_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=firehose.CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty(
                bucket_arn=self._bucket_arn,
                role_arn=role.role_arn,
                prefix=f"{self._prefix}{PARTITION}=!{{partitionKeyFromQuery:{PARTITION}}}/",
                error_output_prefix=f"{failed_prefix(stream.source, stream.name)}!{{firehose:error-output-type}}/"
                "!{timestamp:yyyy/MM/dd/HH}/",
                buffering_hints=firehose.CfnDeliveryStream.BufferingHintsProperty(
                    interval_in_seconds=settings.buffer_seconds, size_in_m_bs=settings.buffer_mb
                ),
                compression_format="GZIP",
                encryption_configuration=firehose.CfnDeliveryStream.EncryptionConfigurationProperty(
                    kms_encryption_config=firehose.CfnDeliveryStream.KMSEncryptionConfigProperty(
                        awskms_key_arn=key.key_arn
                    )
                ),
                cloud_watch_logging_options=firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty(
                    enabled=True, log_group_name=log.log_group_name, log_stream_name=LOG_STREAM
                ),
                dynamic_partitioning_configuration=firehose.CfnDeliveryStream.DynamicPartitioningConfigurationProperty(
                    enabled=True,
                    retry_options=firehose.CfnDeliveryStream.RetryOptionsProperty(duration_in_seconds=RETRY_SECONDS),
                ),
                processing_configuration=firehose.CfnDeliveryStream.ProcessingConfigurationProperty(
                    enabled=True,
                    processors=[
                        _processor(
                            "MetadataExtraction",
                            MetadataExtractionQuery=partition_query(stream.delivery.partition_by),
                            JsonParsingEngine="JQ-1.6",
                        ),
                        _processor("AppendDelimiterToRecord", Delimiter="\\n"),  # two characters, as Firehose wants it
                    ],
                ),
            ),
        )
        acknowledge(
            delivery,
            {
                "AwsSolutions-KDF1": "Firehose takes no encryption of its own where Kinesis is its source: there the "
                "events lie, encrypted (https://docs.aws.amazon.com/firehose/latest/dev/encryption.html).",
            },
        )
        delivery.add_dependency(log_stream)

    def grant_send(self, sender: iam.IGrantable) -> None:
        """Let somebody put events into the stream."""
        self.stream.grant_write(sender)

    def _role(self, stream: Stream, log: logs.ILogGroup) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com",
                conditions={"StringEquals": {"sts:ExternalId": cdk.Stack.of(self).account}},
            ),
            description=f"Delivers events of {stream.source}.{stream.name}",
            inline_policies={"Deliver": iam.PolicyDocument(statements=list(self._statements(log)))},
        )
        acknowledge(
            role,
            {
                wildcard_resource(self, f"{self._bucket_arn}/{self._prefix}*"): "Firehose chooses the keys of its "
                "objects: below the stream's own prefix.",
            },
        )
        return role

    def _statements(self, log: logs.ILogGroup) -> Iterable[iam.PolicyStatement]:
        """What Firehose asks for: https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html"""
        region = cdk.Stack.of(self).region
        yield iam.PolicyStatement(
            sid="Read",
            actions=["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"],
            resources=[self.stream.stream_arn],
        )
        yield iam.PolicyStatement(
            sid="Write",
            actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            resources=[f"{self._bucket_arn}/{self._prefix}*"],
        )
        yield iam.PolicyStatement(
            sid="Bucket",
            actions=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[self._bucket_arn],
        )
        yield iam.PolicyStatement(
            sid="Key",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[self._key.key_arn],
            conditions={
                "StringEquals": {"kms:ViaService": [f"s3.{region}.amazonaws.com", f"kinesis.{region}.amazonaws.com"]}
            },
        )
        yield iam.PolicyStatement(
            sid="Log",
            actions=["logs:PutLogEvents"],
            resources=[
                cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=f"{log.log_group_name}:log-stream:{LOG_STREAM}",
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
        )


def partition_query(field: str) -> str:
    """The jq query that gives an event's day, or ``other``: what has none is the gate's to refuse, and is not lost."""
    return f'{{{PARTITION}:(.{field}[0:10]? // "other")}}'


def _processor(kind: str, **parameters: str) -> firehose.CfnDeliveryStream.ProcessorProperty:
    return firehose.CfnDeliveryStream.ProcessorProperty(
        type=kind,
        parameters=[
            firehose.CfnDeliveryStream.ProcessorParameterProperty(parameter_name=name, parameter_value=value)
            for name, value in parameters.items()
        ],
    )
