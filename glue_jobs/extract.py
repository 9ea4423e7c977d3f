"""Glue job: take one batch of one stream from its source, through the gate, into Bronze."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.batch import parse_time
from ingot.job import BATCH_ARGUMENTS, batch_from, report, verdicts
from ingot.sources import load_source
from ingot.steps import extract
from ingot.storage import ObjectStore

args = getResolvedOptions(sys.argv, [*BATCH_ARGUMENTS, "bronze_bucket", "sources_uri"])

with verdicts():
    manifest = extract(
        batch_from(args),
        source=load_source(f"{args['sources_uri']}/{args['source']}"),
        bronze=ObjectStore(args["bronze_bucket"]),
        as_of=parse_time(args["as_of"]),
    )
    report(
        "extract",
        batch=manifest.batch_id,
        manifest=manifest.batch.manifest_key,
        accepted=manifest.accepted,
        rejected=manifest.rejected,
        bytes=manifest.bytes,
        drift=len(manifest.drift),
    )
