"""The steps' world, for contracts that are held against loaded tables."""

from tests.integration.ingot.conftest import world

__all__ = ["world"]
