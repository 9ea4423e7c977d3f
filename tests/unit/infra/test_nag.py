"""cdk-nag's AWS Solutions rules hold, or the place that breaks one says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("environment", ["local", "dev", "staging", "prod"])
def test_no_stack_of_any_environment_has_a_finding_without_a_reason(
    synthesise: Callable[..., Any], environment: str
) -> None:
    assert synthesise(environment).findings == []


def test_the_rules_also_hold_where_data_may_be_deleted(synthesise: Callable[..., Any]) -> None:
    assert synthesise("local", allow_data_deletion="true").findings == []


def test_the_rules_also_hold_for_a_source_with_credentials(guarded: Any) -> None:
    assert guarded.findings == []


def test_the_rules_are_really_asked(tmp_path: Path) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_s3 as s3
    from cdk_nag import AwsSolutionsChecks

    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    s3.Bucket(cdk.Stack(app, "careless"), "Open")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
    assert {v["ruleName"] for plugin in report["pluginReports"] for v in plugin["violations"]} >= {
        "AwsSolutions-S1",
        "AwsSolutions-S10",
    }
