"""Glue job: take one batch of one stream from its source, through the gate, into Bronze."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.attempt import attempt
from ingot.batch import parse_time
from ingot.job import BATCH_ARGUMENTS, batch_from, given, report, verdicts
from ingot.sources import load_source
from ingot.steps import extract
from ingot.storage import ObjectStore

args = getResolvedOptions(sys.argv, [*BATCH_ARGUMENTS, "bronze_bucket", "sources_uri", *given("source_secret")])

with verdicts():
    batch = batch_from(args)
    bronze = ObjectStore(args["bronze_bucket"])
    with attempt(bronze, batch, "extract") as record:
        manifest = extract(
            batch,
            source=load_source(f"{args['sources_uri']}/{batch.source}"),
            bronze=bronze,
            as_of=parse_time(args["as_of"]),
            record=record,
            secret=args.get("source_secret"),
        )
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
