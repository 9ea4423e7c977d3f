"""Ingot: takes data from sources, refuses what breaks its contract, and refines the rest.

The steps of a batch are in :mod:`ingot.steps`; the rest of the package is what they are made of.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
