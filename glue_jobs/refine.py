"""Glue job: write the typed Parquet of one committed batch."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.job import BATCH_ARGUMENTS, batch_from, given, report, running, verdicts
from ingot.lineage.flows import refining
from ingot.sources import load_source
from ingot.steps.refine import refine
from ingot.storage import ObjectStore

args = getResolvedOptions(
    sys.argv, [*BATCH_ARGUMENTS, "bronze_bucket", "lake_bucket", "sources_uri", *given("resolves")]
)

with verdicts():
    batch = batch_from(args)
    bronze = ObjectStore(args["bronze_bucket"])
    with running(bronze, batch, "refine", as_of=args["as_of"]) as run:
        source = load_source(f"{args['sources_uri']}/{batch.source}")
        run.moves(refining, source, batch.stream, bronze.bucket, args["lake_bucket"])
        stream = source.stream(batch.stream)
        key = refine(
            batch,
            contract=stream.contract,
            bronze=bronze,
            lake=ObjectStore(args["lake_bucket"]),
            record=run.record,
            engine=stream.refine.engine,
        )
    report("refine", batch=batch.id, parquet=key)
