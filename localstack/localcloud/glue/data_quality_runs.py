"""An evaluation run: rulesets on a table of the catalog, read as Athena reads it."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

import duckdb
from botocore.exceptions import ClientError
from moto.core.utils import utcnow

from localcloud.athena.catalog import TableError, read_table
from localcloud.athena.objects import ScannedObjects
from localcloud.athena.views import make_view
from localcloud.glue.data_quality_rules import RulesetError, evaluate, parse

log = logging.getLogger(__name__)
ACTIVE = ("STARTING", "RUNNING")


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
