"""Seeded events for a stream: traffic for tests and trials, of which everything is known beforehand.

- `orders`   events of the shop's orders, with duplicates, late and malformed ones
- `kinesis`  puts records into a Kinesis stream, at a rate, until each of them is in
"""

from __future__ import annotations

from ingot.traffic.kinesis import Sender
from ingot.traffic.orders import Traffic, TrafficRecord, fits

__all__ = ["Sender", "Traffic", "TrafficRecord", "fits"]
