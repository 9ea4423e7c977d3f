"""moto's Firehose backend with delivery streams that deliver.

Hook: `firehose_backends.backend`, the class that moto makes a region's backend from.
"""

from __future__ import annotations

import uuid
from typing import Any

from moto.firehose.exceptions import InvalidArgumentException, ResourceNotFoundException
from moto.firehose.models import FirehoseBackend, firehose_backends

from localcloud import roles
from localcloud.firehose.configuration import Configuration, read
from localcloud.firehose.delivery import PRINCIPAL, Delivery
from localcloud.firehose.partition import Unsupported
from localcloud.firehose.source import KinesisSource


def use_as_backend() -> None:
    """Make moto use this backend. Call once, before the first request."""
    firehose_backends.backend = Backend


def active_deliveries() -> list[Delivery]:
    """Those of all accounts and regions."""
    return [delivery for _, _, backend in list(firehose_backends.iter_backends()) for delivery in backend.deliveries()]


class Backend(FirehoseBackend):
    """moto's, with a thread a delivery stream."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._deliveries: dict[str, Delivery] = {}

    @property
    def _url_module(self) -> Any:  # type: ignore[misc]
        from moto.firehose import urls

        return urls

    def deliveries(self) -> list[Delivery]:
        return list(self._deliveries.values())

    def create_delivery_stream(
        self,
        region: str,
        delivery_stream_name: str,
        delivery_stream_type: str,
        kinesis_stream_source_configuration: dict[str, Any],
        delivery_stream_encryption_configuration_input: dict[str, Any],
        s3_destination_configuration: dict[str, Any],
        extended_s3_destination_configuration: dict[str, Any],
        *others: Any,
    ) -> str:
        configuration = self._read(extended_s3_destination_configuration)
        source = self._source(kinesis_stream_source_configuration)
        arn = super().create_delivery_stream(
            region,
            delivery_stream_name,
            delivery_stream_type,
            kinesis_stream_source_configuration,
            delivery_stream_encryption_configuration_input,
            s3_destination_configuration,
            extended_s3_destination_configuration,
            *others,
        )
        version = self.delivery_streams[delivery_stream_name].version_id
        delivery = Delivery(delivery_stream_name, arn, configuration, source, version=version)
        self._deliveries[delivery_stream_name] = delivery
        delivery.start()
        return arn

    def delete_delivery_stream(self, delivery_stream_name: str) -> None:
        super().delete_delivery_stream(delivery_stream_name)
        self._deliveries.pop(delivery_stream_name).stop(deliver=False)

    def update_destination(
        self,
        delivery_stream_name: str,
        current_delivery_stream_version_id: str,
        destination_id: str,
        s3_destination_update: dict[str, Any],
        extended_s3_destination_update: dict[str, Any],
        *others: Any,
    ) -> None:
        there = self.delivery_streams.get(delivery_stream_name)
        before = there.destinations[0].get("ExtendedS3", {}) if there else {}
        configuration = self._read({**before, **(extended_s3_destination_update or {})})
        super().update_destination(
            delivery_stream_name,
            current_delivery_stream_version_id,
            destination_id,
            s3_destination_update,
            extended_s3_destination_update,
            *others,
        )
        version = self.delivery_streams[delivery_stream_name].version_id
        self._deliveries[delivery_stream_name].configure(configuration, version)

    def put_record_batch(self, delivery_stream_name: str, records: list[dict[str, bytes]]) -> dict[str, Any]:
        stream = self.delivery_streams.get(delivery_stream_name)
        if stream is None:
            raise ResourceNotFoundException(f"Firehose {delivery_stream_name} not found.")
        if stream.delivery_stream_type == "KinesisStreamAsSource":
            raise InvalidArgumentException(
                "This operation is not permitted on KinesisStreamAsSource delivery stream type."
            )
        self._deliveries[delivery_stream_name].send(bytes(record["Data"]) for record in records)
        answers = [{"RecordId": str(uuid.uuid4())} for _ in records]
        return {"FailedPutCount": 0, "Encrypted": False, "RequestResponses": answers}

    def _read(self, asked: dict[str, Any] | None) -> Configuration:
        if not asked:
            raise InvalidArgumentException("The local cloud delivers to ExtendedS3DestinationConfiguration only")
        try:
            configuration = read(asked)
            self._check_role(configuration.role)
        except Unsupported as error:
            raise InvalidArgumentException(str(error)) from error
        return configuration

    def _source(self, asked: dict[str, Any] | None) -> KinesisSource | None:
        if not asked:
            return None
        self._check_role(asked["RoleARN"])
        try:
            return KinesisSource(self.account_id, self.region_name, asked["KinesisStreamARN"])
        except KeyError as error:
            raise ResourceNotFoundException(f"Kinesis Stream {asked['KinesisStreamARN']} not found") from error

    def _check_role(self, arn: str) -> None:
        try:
            roles.assume(arn, PRINCIPAL, account=self.account_id, region=self.region_name, session="Firehose")
        except roles.RoleError as error:
            raise InvalidArgumentException(f"Firehose is unable to assume role {arn}. {error}") from error
