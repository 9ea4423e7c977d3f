"""Firehose: delivery streams that deliver.

- `configuration`  what a delivery stream is asked to do; what is not done here is refused when it is created
- `partition`      keys from records, by the part of jq that there is here, and keys of objects from prefixes
- `source`         the Kinesis stream that a delivery stream reads, as its role
- `delivery`       one delivery stream: buffers, objects, errors, a thread
- `backend`        the hook into moto

Not emulated: destinations other than S3, Lambda and other processors, conversion to Parquet, the limits of throughput.
What is in the buffers is delivered when the local cloud ends; what is in Kinesis goes with it.
"""

from __future__ import annotations


def install() -> None:
    """Hook into moto. Call once."""
    from localcloud.firehose import backend, source

    backend.use_as_backend()
    source.install()


def stop_all_deliveries() -> None:
    """Deliver what was sent so far, and end."""
    from localcloud.firehose.backend import active_deliveries

    deliveries = active_deliveries()
    for delivery in deliveries:
        delivery.stop(deliver=True)
    for delivery in deliveries:
        delivery.join(timeout=10)
