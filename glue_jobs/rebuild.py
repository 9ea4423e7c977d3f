"""Glue job: drop one source's bronze tables and load every committed batch again from Bronze."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.job import report, reporting, verdicts
from ingot.lineage.flows import rebuilding
from ingot.sources import load_source
from ingot.steps.rebuild import rebuild
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse, read_endpoint

args = getResolvedOptions(sys.argv, ["source", "bronze_bucket", "lake_bucket", "sources_uri", "warehouse_secret"])

with verdicts(), reporting(f"{args['source']}.rebuild", "rebuild", args["source"]) as lineage:
    source, endpoint = load_source(f"{args['sources_uri']}/{args['source']}"), read_endpoint(args["warehouse_secret"])
    lineage.ending = lambda: (rebuilding(source, args["bronze_bucket"], args["lake_bucket"], endpoint), {})
    rebuilt = rebuild(
        source,
        bronze=ObjectStore(args["bronze_bucket"]),
        lake=ObjectStore(args["lake_bucket"]),
        warehouse=load_warehouse(endpoint),
    )
    report("rebuild", source=args["source"], batches=rebuilt.batches, refined=rebuilt.refined, rows=rebuilt.rows)
