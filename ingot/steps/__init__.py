"""The steps of a batch: extract, refine, load. Each is idempotent and works within a record of its attempt."""

from ingot.steps.audit import audit
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.rebuild import rebuild
from ingot.steps.refine import refine
from ingot.steps.resolve import resolve

__all__ = ["audit", "extract", "load", "rebuild", "refine", "resolve"]
