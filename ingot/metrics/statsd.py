"""StatsD: values that travel in datagrams, to whoever listens where ``INGOT_STATSD`` says (``host:port``).

The form is DogStatsD's (https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/): labels are tags. A counter
adds up, a gauge is set, a distribution is a timing in milliseconds, which every version of statsd-exporter makes a
histogram in seconds of; an age is the time at which it was nothing. Nothing is waited for, and nothing that goes wrong
here is an error: a metric may never make a job fail.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ingot.metrics.catalogue import Catalogue, Metric
from ingot.metrics.prometheus import in_prometheus, statsd_name

VARIABLE = "INGOT_STATSD"
"""The environment variable."""
_DATAGRAM = 1400
"""Bytes that are sent at once: what an Ethernet frame takes."""


def statsd_lines(
    catalogue: Catalogue, values: Mapping[str, float], labels: Mapping[str, str], *, at: datetime
) -> Iterator[str]:
    """One line a metric, with those of the labels that the catalogue gives it.

    Args:
        values: metric → value.
        labels: label → value.
        at: when they were measured.

    Raises:
        ConfigurationError: the catalogue has no such metric.
    """
    for name, value in values.items():
        metric = catalogue[name]
        if in_prometheus(metric):
            tags = ",".join(f"{label}:{labels[label]}" for label in metric.labels)
            yield f"{statsd_name(name, metric)}:{_value(metric, value, at)}|#{tags}"


def _value(metric: Metric, value: float, at: datetime) -> str:
    if metric.age:
        return f"{at.timestamp() - value:.3f}|g"
    match metric.type:
        case "counter":
            return f"{value:.15g}|c"
        case "gauge":
            return f"{value:.15g}|g"
        case "distribution":
            return f"{1000 * value:.15g}|ms"


def send(lines: Iterable[str]) -> None:
    """Send lines to where the environment says, if it does."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    try:
        host, _, port = address.rpartition(":")
        ((family, kind, protocol, _, place), *_) = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
        with socket.socket(family, kind, protocol) as sender:
            sender.setblocking(False)
            for datagram in _datagrams(lines):
                sender.sendto(datagram, place)
    except (OSError, ValueError) as error:
        print(f"No metrics were sent to {VARIABLE}={address}: {error}", file=sys.stderr)


def _datagrams(lines: Iterable[str]) -> Iterator[bytes]:
    some = b""
    for line in lines:
        one = line.encode()
        if some and len(some) + 1 + len(one) > _DATAGRAM:
            yield some
            some = b""
        some = some + b"\n" + one if some else one
    if some:
        yield some
