"""Starts the smoke test of a deployed environment, waits for it, and ends as it ended.

CodePipeline and GitHub Actions both call it after a deployment; it needs boto3 and nothing of ours::

    python infra/delivery/start_smoke_test.py ingot-staging-smoke-test
"""

from __future__ import annotations

import sys
import time
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

POLL_SECONDS = 10.0


def run(project: str, *, poll_seconds: float = POLL_SECONDS) -> int:
    """Runs the CodeBuild project; 0 if the build succeeded, else 1, after the lines that say why.

    Args:
        project: its name.
        poll_seconds: between two looks.
    """
    codebuild: Any = boto3.client("codebuild")
    try:
        build = codebuild.start_build(projectName=project)["build"]
        say(f"{build['id']} started")
        while build["buildStatus"] == "IN_PROGRESS":
            time.sleep(poll_seconds)
            (build,) = codebuild.batch_get_builds(ids=[build["id"]])["builds"]
    except (BotoCoreError, ClientError, ValueError) as error:
        say(f"The smoke test {project} could not be run: {error}")
        return 1
    say(f"{build['id']} {build['buildStatus']}")
    if build["buildStatus"] == "SUCCEEDED":
        return 0
    for line in (*failed_phases(build), *last_lines(build.get("logs", {}))):
        say(line)
    return 1


def failed_phases(build: dict[str, Any]) -> list[str]:
    """What CodeBuild itself says of the phases that failed."""
    return [
        f"{phase['phaseType']}: {context.get('message') or context.get('statusCode')}"
        for phase in build.get("phases", [])
        if phase.get("phaseStatus") not in (None, "SUCCEEDED")
        for context in phase.get("contexts", [])
    ]


def last_lines(logs: dict[str, Any], count: int = 50) -> list[str]:
    """The end of the build's log, where the test says what is wrong; why not, if it cannot be read."""
    if not (logs.get("groupName") and logs.get("streamName")):
        return []
    try:
        events = boto3.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], limit=count, startFromHead=False
        )["events"]
    except (BotoCoreError, ClientError) as error:
        return [f"its log cannot be read: {error}"]
    return [event["message"].rstrip() for event in events]


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:2]))
