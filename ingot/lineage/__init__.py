"""Lineage: which dataset is made of which, column by column, as the project declares it and as runs report it.

See docs/adr/0022-lineage.md.
"""

from ingot.lineage.fields import Field
from ingot.lineage.graph import Graph, declared, read_graph
from ingot.lineage.model import LAYERS, Dataset, Input
from ingot.lineage.names import Name

__all__ = ["LAYERS", "Dataset", "Field", "Graph", "Input", "Name", "declared", "read_graph"]
