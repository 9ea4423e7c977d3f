"""Glue job: take one batch of one stream from its source, through the gate, into Bronze."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.batch import parse_time
from ingot.job import BATCH_ARGUMENTS, batch_from, given, report, running, verdicts
from ingot.lineage.flows import extracting
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

args = getResolvedOptions(sys.argv, [*BATCH_ARGUMENTS, "bronze_bucket", "sources_uri", *given("source_secret")])

with verdicts():
    batch = batch_from(args)
    bronze = ObjectStore(args["bronze_bucket"])
    with running(bronze, batch, "extract", as_of=args["as_of"]) as run:
        source = load_source(f"{args['sources_uri']}/{batch.source}")
        run.moves(extracting, source, batch.stream, bronze.bucket)
        manifest = extract(
            batch,
            source=source,
            bronze=bronze,
            as_of=parse_time(args["as_of"]),
            record=run.record,
            secret=args.get("source_secret"),
        )
        run.published(manifest)
    report(
        "extract",
        batch=manifest.batch_id,
        manifest=manifest.batch.manifest_key,
        accepted=manifest.accepted,
        rejected=manifest.rejected,
        unchanged=manifest.unchanged,
        deleted=manifest.deleted,
        bytes=manifest.bytes,
        drift=len(manifest.drift),
    )
