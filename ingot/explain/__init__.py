"""Where a row comes from: gold row → silver rows → Bronze records → batch → object and line → request.

The walk is not written here: the dbt project declares it beside its models (:mod:`ingot.explain.walk`).
"""

from ingot.explain.origin import Asked, LandedAt, Origin, Refused
from ingot.explain.rows import Row, Rows, explain
from ingot.explain.walk import Walk, read_walk

__all__ = ["Asked", "LandedAt", "Origin", "Refused", "Row", "Rows", "Walk", "explain", "read_walk"]
