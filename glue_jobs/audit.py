"""Glue job: bring the warehouse's audit tables up to date with one source's batches, failed ones included."""

import sys
from datetime import UTC, datetime

from awsglue.utils import getResolvedOptions

from ingot.batch import parse_time
from ingot.job import emit, report, verdicts
from ingot.steps.audit import audit
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse, read_endpoint

args = getResolvedOptions(sys.argv, ["source", "interval_start", "interval_end", "bronze_bucket", "warehouse_secret"])

with verdicts():
    audited = audit(
        args["source"],
        bronze=ObjectStore(args["bronze_bucket"]),
        warehouse=load_warehouse(read_endpoint(args["warehouse_secret"])),
        over=(parse_time(args["interval_start"]), parse_time(args["interval_end"])),
    )
    report("audit", source=args["source"], attempts=audited.attempts, batches=audited.batches)
    now = datetime.now(UTC)
    for stream, end in audited.newest.items():
        emit("audit", {"freshness_seconds": (now - end).total_seconds()}, source=args["source"], stream=stream)
    if cost := audited.cost:
        values = {"run_cost_usd": float(cost.usd)}
        if cost.percent is not None:
            values["run_cost_percent"] = float(cost.percent)
        emit("audit", values, source=args["source"])
