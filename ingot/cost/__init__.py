"""What an environment costs a month though nothing runs, and what a run costs, from a dated table of prices."""

from ingot.cost.fixed import Line, fixed_lines, read_templates
from ingot.cost.prices import Price, Prices, load_prices
from ingot.cost.runs import BatchCost, Worker, batch_cost

__all__ = [
    "BatchCost",
    "Line",
    "Price",
    "Prices",
    "Worker",
    "batch_cost",
    "fixed_lines",
    "load_prices",
    "read_templates",
]
