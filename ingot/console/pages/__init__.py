"""The pages, one module each with a ``router`` of its own."""

from __future__ import annotations

from ingot.console.pages import business, contracts, lineage, quarantine, runs

PAGES = (business, runs, quarantine, lineage, contracts)
