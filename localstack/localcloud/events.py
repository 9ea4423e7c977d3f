"""EventBridge: what Glue says of a run that ended, and rules that publish to a topic.

moto matches rules against what PutEvents brings, and knows no service that sends events of its own and no topic as a
target. Hook: `Rule.send_to_targets`. The clock is not watched: a rule with a schedule is kept and never due.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
from typing import Any

from localcloud.clients import client

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
_SEVERITY = {"SUCCEEDED": "INFO", "FAILED": "ERROR", "TIMEOUT": "WARN", "STOPPED": "INFO"}


def install() -> None:
    """Hook into moto. Call once."""
    from moto.events.models import Rule

    send = Rule.send_to_targets

    @functools.wraps(send)
    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        # One that has a schedule alone would match everything.
        if self.state == "DISABLED" or not self.event_pattern.dump():
            return
        others = copy.copy(self)  # moto raises an error for a target that it does not know
        others.targets = [target for target in self.targets if not _is_topic(target)]
        send(others, original_event, transform_input)
        _publish(self, original_event)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def glue_run_ended(account: str, region: str, *, job: str, run: str, state: str, message: str | None) -> None:
    """Send `Glue Job State Change` to the default bus."""
    from moto.events.models import events_backends

    if state not in _SEVERITY:
        return
    detail = {
        "jobName": job,
        "severity": _SEVERITY[state],
        "state": state,
        "jobRunId": run,
        "message": message or "Job run succeeded",
    }
    event = {"Source": "aws.glue", "DetailType": "Glue Job State Change", "Detail": json.dumps(detail)}
    try:
        events_backends[account][region].put_events([event])
    except Exception:  # whatever a rule's target makes of it: the run has ended all the same
        log.exception("the end of run %s of %s", run, job)


def _publish(rule: Any, event: Any) -> None:
    """To the rule's topics. Whether the target's role may is not asked."""
    if not rule.event_pattern.matches_event(event):
        return
    for target in rule.targets:
        if _is_topic(target):
            message = _message(target, event)
            client("sns", rule.region_name).publish(TopicArn=target["Arn"], Message=message)


def _is_topic(target: dict[str, Any]) -> bool:
    return ":sns:" in target["Arn"]


def _message(target: dict[str, Any], event: Any) -> str:
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    text: str = transformer["InputTemplate"]
    for name, path in transformer.get("InputPathsMap", {}).items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value.get(part) if isinstance(value, dict) else None
        text = text.replace(f"<{name}>", "" if value is None else str(value))
    # A template that is a string in quotes is a text; else it is JSON.
    return text[1:-1].replace("\\n", "\n") if text.startswith('"') else text
