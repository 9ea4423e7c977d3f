"""Glue job: load one refined batch into the warehouse."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.job import BATCH_ARGUMENTS, batch_from, given, report, running, verdicts
from ingot.lineage.flows import loading
from ingot.sources import load_source
from ingot.steps.load import load
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse, read_endpoint

args = getResolvedOptions(
    sys.argv,
    [*BATCH_ARGUMENTS, "bronze_bucket", "lake_bucket", "sources_uri", "warehouse_secret", *given("resolves")],
)

with verdicts():
    batch = batch_from(args)
    bronze = ObjectStore(args["bronze_bucket"])
    with running(bronze, batch, "load", as_of=args["as_of"]) as run:
        source = load_source(f"{args['sources_uri']}/{batch.source}")
        endpoint = read_endpoint(args["warehouse_secret"])
        run.moves(loading, source, batch.stream, args["lake_bucket"], endpoint)
        loaded = load(
            batch,
            contract=source.stream(batch.stream).contract,
            bronze=bronze,
            lake=ObjectStore(args["lake_bucket"]),
            warehouse=load_warehouse(endpoint, lake=args["lake_bucket"]),
            record=run.record,
        )
    report("load", batch=batch.id, rows=loaded.rows, already=loaded.already)
