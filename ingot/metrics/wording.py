"""What an alarm says when it rings: the same words in CloudWatch and SNS, in Prometheus and in Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping

from ingot.metrics.catalogue import Alarm


def alarm_text(alarm: Alarm, labels: Mapping[str, str], *, runbook: str) -> str:
    """What happened, what is safe, what to do, and where the runbook goes on.

    Args:
        alarm: which rings.
        labels: of the series that it rings for; templates stand for values where these are known only then.
        runbook: where docs/runbook.md is read.
    """
    about = ", ".join(f"{label} {value}" for label, value in labels.items())
    return (
        f"{alarm.happened}{f' ({about})' if about else ''}\n\nSafe: {alarm.safe}\n\nDo: {alarm.do}\n\n"
        f"Runbook: {runbook_section(alarm, runbook=runbook)}"
    )


def runbook_section(alarm: Alarm, *, runbook: str) -> str:
    """The address of an alarm's section: it has its name."""
    return f"{runbook}#{alarm.name}"
