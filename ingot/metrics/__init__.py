"""Metrics: the catalogue of all that there are, and what carries them.

To CloudWatch a metric is a line of a job's log (:mod:`ingot.metrics.emf`), to Prometheus a datagram
(:mod:`ingot.metrics.statsd`). What Prometheus calls it, :mod:`ingot.metrics.prometheus` says.
"""

from ingot.metrics.catalogue import Airflow, Alarm, Aws, Catalogue, Limit, Metric, load_catalogue, metrics_namespace
from ingot.metrics.emf import emf_line
from ingot.metrics.statsd import send, statsd_lines
from ingot.metrics.wording import alarm_text

__all__ = [
    "Airflow",
    "Alarm",
    "Aws",
    "Catalogue",
    "Limit",
    "Metric",
    "alarm_text",
    "emf_line",
    "load_catalogue",
    "metrics_namespace",
    "send",
    "statsd_lines",
]
