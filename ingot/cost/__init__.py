"""What an environment costs a month though nothing runs, and what a run costs, from a dated table of prices."""

from ingot.cost.fixed import Line, fixed_lines, read_templates
from ingot.cost.prices import Price, Prices, load_prices
from ingot.cost.runs import STEP_WORKER, BatchCost, RunCost, Worker, batch_cost, run_cost

__all__ = [
    "STEP_WORKER",
    "BatchCost",
    "Line",
    "Price",
    "Prices",
    "RunCost",
    "Worker",
    "batch_cost",
    "fixed_lines",
    "load_prices",
    "read_templates",
    "run_cost",
]
