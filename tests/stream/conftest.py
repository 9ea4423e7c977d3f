"""A warehouse with dbt, as the tests of the models have it."""

from __future__ import annotations

from tests.integration.dbt.conftest import dbt_python, warehouse

__all__ = ["dbt_python", "warehouse"]
