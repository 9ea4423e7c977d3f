"""The streams: events of those sources that declare a delivery, on their way to the landing prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from infra.constructs.delivery_stream import DeliveryStream
from infra.deployment import Deployment, IngotStack
from infra.settings import EventStreams
from ingot.sources import Source, Stream


class StreamStack(IngotStack):
    """A Kinesis stream and its delivery for each stream that declares one.

    Args:
        scope: the app, or a stage of it.
        deployment: what it is made from.
        settings: of all streams.
        sources: see :func:`delivered`; there has to be one.
        key: the lake's.
    """

    def __init__(
        self,
        scope: cdk.Stage,
        deployment: Deployment,
        settings: EventStreams,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, "stream", deployment, description="Ingot: events to the landing prefix")
        for stream in delivered(sources):
            DeliveryStream(
                self, f"{stream.source}-{stream.name}", deployment, settings=settings, stream=stream, key=key
            )


def delivered(sources: Mapping[str, Source]) -> Iterable[Stream]:
    """The streams that declare a delivery."""
    return [each for source in sources.values() for each in source.streams.values() if each.delivery is not None]
