"""Glue Data Quality: evaluation runs of rulesets on tables of the catalog, and their results.

Hook: `GlueResponse`, which gets the operations on evaluation runs and results; rulesets are kept by `rulesets`.

A table is read as Athena reads it. **In an account Glue does not know partition projection**: there a projected
table has no rows for it unless its partitions are in the catalog too.
See https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.glue.exceptions import EntityNotFoundException, InvalidInputException
from moto.glue.responses import GlueResponse

from localcloud.clients import client

if TYPE_CHECKING:
    from localcloud.glue.data_quality_runs import EvaluationRun

_KEPT = {"DataSource", "Role", "RulesetNames", "NumberOfWorkers", "Timeout", "ClientToken", "AdditionalRunOptions"}


def install() -> None:
    """Hook into moto. Call once."""
    GlueResponse.start_data_quality_ruleset_evaluation_run = _start  # type: ignore[attr-defined]
    GlueResponse.get_data_quality_ruleset_evaluation_run = _get_run  # type: ignore[attr-defined]
    GlueResponse.list_data_quality_ruleset_evaluation_runs = _list_runs  # type: ignore[attr-defined]
    GlueResponse.cancel_data_quality_ruleset_evaluation_run = _cancel  # type: ignore[attr-defined]
    GlueResponse.get_data_quality_result = _get_result  # type: ignore[attr-defined]
    GlueResponse.batch_get_data_quality_result = _batch_get_results  # type: ignore[attr-defined]
    GlueResponse.list_data_quality_results = _list_results  # type: ignore[attr-defined]


def _runs(response: GlueResponse) -> dict[str, EvaluationRun]:
    kept: dict[str, EvaluationRun] = response.glue_backend.__dict__.setdefault("data_quality_runs", {})
    return kept


def _results(response: GlueResponse) -> dict[str, dict[str, Any]]:
    return {result["ResultId"]: result for run in _runs(response).values() for result in run.results}


def _start(self: GlueResponse) -> ActionResult:
    request = json.loads(self.body)
    operation = "StartDataQualityRulesetEvaluationRun"
    if unknown := set(request) - _KEPT:
        raise InvalidInputException(operation, f"The local cloud does not support {', '.join(sorted(unknown))}")
    source = request["DataSource"].get("GlueTable")
    if not source or source.get("AdditionalOptions"):
        raise InvalidInputException(operation, "The local cloud evaluates a whole GlueTable, without AdditionalOptions")
    glue: Any = client("glue", self.region)
    rulesets = {}
    for name in request["RulesetNames"]:
        try:
            rulesets[name] = glue.get_data_quality_ruleset(Name=name)["Ruleset"]
        except glue.exceptions.EntityNotFoundException as error:
            raise EntityNotFoundException(f"Ruleset {name} not found.") from error
    # Here and not above: who never asks does not wait for DuckDB.
    from localcloud.glue.data_quality_runs import EvaluationRun

    run = EvaluationRun(request, rulesets, self.region)
    _runs(self)[run.id] = run
    run.start()
    return ActionResult({"RunId": run.id})


def _run(response: GlueResponse) -> EvaluationRun:
    run_id = response._get_param("RunId")
    if run_id not in _runs(response):
        raise EntityNotFoundException(f"Data quality ruleset evaluation run {run_id} not found.")
    return _runs(response)[run_id]


def _get_run(self: GlueResponse) -> ActionResult:
    return ActionResult(_run(self).as_dict())


def _list_runs(self: GlueResponse) -> ActionResult:
    shown = ("RunId", "Status", "StartedOn", "DataSource")
    return ActionResult({"Runs": [{n: run.as_dict()[n] for n in shown} for run in reversed(_runs(self).values())]})


def _cancel(self: GlueResponse) -> ActionResult:
    _run(self).cancel()
    return ActionResult({})


def _get_result(self: GlueResponse) -> ActionResult:
    result_id = self._get_param("ResultId")
    if result_id not in _results(self):
        raise EntityNotFoundException(f"Data quality result {result_id} not found.")
    return ActionResult(_results(self)[result_id])


def _batch_get_results(self: GlueResponse) -> ActionResult:
    asked, kept = self._get_param("ResultIds"), _results(self)
    return ActionResult(
        {"Results": [kept[i] for i in asked if i in kept], "ResultsNotFound": [i for i in asked if i not in kept]}
    )


def _list_results(self: GlueResponse) -> ActionResult:
    shown = ("ResultId", "DataSource", "StartedOn")
    return ActionResult({"Results": [{n: result[n] for n in shown} for result in _results(self).values()]})
