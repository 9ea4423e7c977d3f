"""Glue Data Quality: evaluation runs of rulesets on tables of the catalog, and their results.

Hook: `GlueResponse`, which gets the operations on evaluation runs and results; rulesets are kept by `rulesets`.

A table is read as Athena reads it. **In an account Glue does not know partition projection**: there a projected
table has no rows for it unless its partitions are in the catalog too.
See https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from typing import Any

import duckdb
from botocore.exceptions import ClientError
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.glue.exceptions import EntityNotFoundException, InvalidInputException
from moto.glue.responses import GlueResponse

from localcloud.athena.catalog import TableError, read_table
from localcloud.athena.objects import ScannedObjects
from localcloud.athena.views import make_view
from localcloud.clients import client
from localcloud.glue.data_quality_rules import RulesetError, evaluate, parse

log = logging.getLogger(__name__)
ACTIVE = ("STARTING", "RUNNING")
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


class EvaluationRun:
    """One run: a result a ruleset, all of them or none.

    Args:
        request: the members of StartDataQualityRulesetEvaluationRun.
        rulesets: DQDL by name.
    """

    def __init__(self, request: dict[str, Any], rulesets: dict[str, str], region: str) -> None:
        self.id = f"dqrun-{secrets.token_hex(20)}"
        self.request, self.rulesets, self.region = request, rulesets, region
        self.status = "STARTING"
        self.error: str | None = None
        self.started = self.modified = utcnow()
        self.completed: Any = None
        self.results: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, name=self.id[:12], daemon=True).start()

    def cancel(self) -> None:
        """Nothing of it is published."""
        with self._lock:
            if self.status in ACTIVE:
                self._enter("STOPPED")

    def _run(self) -> None:
        with self._lock:
            if self.status == "STARTING":
                self._enter("RUNNING")
        status, error, results = "SUCCEEDED", None, []
        try:
            results = self._evaluate()
        except (TableError, RulesetError, duckdb.Error, ClientError) as failure:
            status, error = "FAILED", str(failure)
        except Exception as failure:  # whatever goes wrong here, it may not stay RUNNING for ever
            log.exception("evaluation run %s", self.id)
            status, error = "FAILED", f"{type(failure).__name__}: {failure}"
        with self._lock:
            if self.status in ACTIVE:
                self.results, self.error = results, error
                self._enter(status)

    def _evaluate(self) -> list[dict[str, Any]]:
        source = self.request["DataSource"]["GlueTable"]
        table = read_table(self.region, source["DatabaseName"], source["TableName"])
        with duckdb.connect() as connection:
            objects = ScannedObjects(self.region)
            connection.register_filesystem(objects)
            connection.execute(
                "SET disabled_filesystems = 'LocalFileSystem'; SET TimeZone = 'UTC'; SET threads = 2; "
                "SET memory_limit = '1GB'"
            )
            make_view(connection, objects, table)
            # Read once, and not once a rule.
            connection.execute(f'CREATE TEMP TABLE rows AS FROM "{table.database}"."{table.name}"')
            return [self._result(name, text, connection.table("rows")) for name, text in self.rulesets.items()]

    def _result(self, name: str, text: str, rows: duckdb.DuckDBPyRelation) -> dict[str, Any]:
        started = utcnow()
        outcomes = []
        for place, rule in enumerate(parse(text), start=1):
            verdict = evaluate(rule, rows)
            outcome: dict[str, Any] = {
                "Name": f"Rule_{place}",
                "Description": rule,
                "EvaluatedRule": rule,
                "Result": "FAIL" if verdict.failure else "PASS",
                "EvaluatedMetrics": verdict.metrics,
            }
            outcomes.append(outcome | ({"EvaluationMessage": verdict.failure} if verdict.failure else {}))
        passed = sum(outcome["Result"] == "PASS" for outcome in outcomes)
        return {
            "ResultId": f"dqresult-{secrets.token_hex(20)}",
            "Score": passed / len(outcomes),
            "DataSource": self.request["DataSource"],
            "RulesetName": name,
            "RulesetEvaluationRunId": self.id,
            "StartedOn": started,
            "CompletedOn": utcnow(),
            "RuleResults": outcomes,
        }

    def _enter(self, status: str) -> None:
        self.status, self.modified = status, utcnow()
        if status not in ACTIVE:
            self.completed = self.modified

    def as_dict(self) -> dict[str, Any]:
        """The answer of GetDataQualityRulesetEvaluationRun."""
        description = {
            "RunId": self.id,
            "DataSource": self.request["DataSource"],
            "Role": self.request["Role"],
            "NumberOfWorkers": self.request.get("NumberOfWorkers", 5),
            "Timeout": self.request.get("Timeout", 120),
            "AdditionalRunOptions": self.request.get("AdditionalRunOptions"),
            "Status": self.status,
            "ErrorString": self.error,
            "StartedOn": self.started,
            "LastModifiedOn": self.modified,
            "CompletedOn": self.completed,
            "ExecutionTime": int(((self.completed or utcnow()) - self.started).total_seconds()),
            "RulesetNames": list(self.rulesets),
            "ResultIds": [result["ResultId"] for result in self.results] or None,
        }
        return {name: value for name, value in description.items() if value is not None}


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
