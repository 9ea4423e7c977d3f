"""Glue job: send the refused records of one object of the quarantine through the present contract, or give them up."""

import sys

from awsglue.utils import getResolvedOptions

from ingot.job import given, report, running, verdicts
from ingot.lineage.flows import replaying
from ingot.quarantine import resolving_batch
from ingot.sources import load_source
from ingot.steps.resolve import resolve
from ingot.storage import ObjectStore

args = getResolvedOptions(
    sys.argv, ["quarantine_key", "action", "bronze_bucket", "sources_uri", *given("rule", "reason")]
)

with verdicts():
    batch = resolving_batch(args["quarantine_key"])
    bronze = ObjectStore(args["bronze_bucket"])
    with running(bronze, batch, "replay") as run:
        source = load_source(f"{args['sources_uri']}/{batch.source}")
        run.moves(replaying, source, batch.stream, bronze.bucket)
        resolved = resolve(
            args["quarantine_key"],
            action=args["action"],
            contract=source.stream(batch.stream).contract,
            bronze=bronze,
            record=run.record,
            rule=args.get("rule"),
            reason=args.get("reason"),
        )
        if resolved.manifest is not None:
            run.published(resolved.manifest)
    report(
        "replay",
        batch=batch.id,
        committed=resolved.manifest is not None,
        accepted=resolved.accepted,
        discarded=resolved.discarded,
        superseded=resolved.superseded,
        remaining=resolved.remaining,
        already=resolved.already,
    )
