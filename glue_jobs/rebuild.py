"""Glue job: drop one source's bronze tables and load every committed batch again from Bronze."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.job import report, verdicts
from ingot.sources import load_source
from ingot.steps import rebuild
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse, read_endpoint

args = getResolvedOptions(sys.argv, ["source", "bronze_bucket", "lake_bucket", "sources_uri", "warehouse_secret"])

with verdicts():
    rebuilt = rebuild(
        load_source(f"{args['sources_uri']}/{args['source']}"),
        bronze=ObjectStore(args["bronze_bucket"]),
        lake=ObjectStore(args["lake_bucket"]),
        warehouse=load_warehouse(read_endpoint(args["warehouse_secret"])),
    )
    report("rebuild", source=args["source"], batches=rebuilt.batches, refined=rebuilt.refined, rows=rebuilt.rows)
