"""Metrics: the catalogue of all that there are, and the lines that carry them to CloudWatch.

Nothing here asks a network: a metric is a line of a job's log, see :mod:`ingot.metrics.emf`.
"""

from ingot.metrics.catalogue import Alarm, Aws, Catalogue, Limit, Metric, load_catalogue, metrics_namespace
from ingot.metrics.emf import emf_line

__all__ = ["Alarm", "Aws", "Catalogue", "Limit", "Metric", "emf_line", "load_catalogue", "metrics_namespace"]
