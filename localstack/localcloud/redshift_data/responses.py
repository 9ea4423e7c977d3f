"""The operations of the Redshift Data API about statements."""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.redshiftdata.responses import RedshiftDataAPIServiceResponse

from localcloud.redshift_data.backend import Backend, invalid

ROWS_A_PAGE = 1000


class Responses(RedshiftDataAPIServiceResponse):
    """moto's, with statements that run."""

    @property
    def _backend(self) -> Backend:
        backend = self.redshiftdata_backend
        assert isinstance(backend, Backend)
        return backend

    @property
    def _request(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body or "{}")
        return found

    def execute_statement(self) -> ActionResult:  # type: ignore[override]
        request = self._request
        execution = self._backend.start(request)
        execution.wait(float(request.get("WaitTimeSeconds") or 0))
        shown = ("Id", "CreatedAt", "ClusterIdentifier", "DbUser", "Database", "SecretArn", "WorkgroupName", "Status")
        description = execution.as_dict()
        return ActionResult({name: description[name] for name in shown if name in description})

    batch_execute_statement = execute_statement

    def describe_statement(self) -> ActionResult:  # type: ignore[override]
        execution = self._backend.execution(self._request["Id"])
        execution.wait(float(self._request.get("WaitTimeSeconds") or 0))
        return ActionResult(execution.as_dict())

    def get_statement_result(self) -> ActionResult:  # type: ignore[override]
        step = self._backend.step(self._request["Id"])
        start = int(self._request.get("NextToken") or 0)
        answer: dict[str, Any] = {
            "ColumnMetadata": step.columns,
            "Records": step.records[start : start + ROWS_A_PAGE],
            "TotalNumRows": len(step.records),
        }
        if start + ROWS_A_PAGE < len(step.records):
            answer["NextToken"] = str(start + ROWS_A_PAGE)
        return ActionResult(answer)

    def list_statements(self) -> ActionResult:
        request = self._request
        status, name = request.get("Status", "ALL"), request.get("StatementName", "")
        found = [
            execution.summary()
            for execution in reversed(self._backend.executions.values())
            if status in ("ALL", execution.status) and (execution.request.get("StatementName") or "").startswith(name)
        ]
        start = int(request.get("NextToken") or 0)
        end = start + int(request.get("MaxResults") or 100)
        return ActionResult({"Statements": found[start:end], **({"NextToken": str(end)} if found[end:] else {})})

    def cancel_statement(self) -> ActionResult:  # type: ignore[override]
        execution = self._backend.execution(self._request["Id"])
        if not execution.cancel():
            raise invalid(
                f"Could not cancel a query that is already in {execution.status} state with ID: {execution.id}"
            )
        return ActionResult({"Status": True})

    def _not_done(self) -> ActionResult:
        raise JsonRESTError("NotSupportedByLocalCloud", "The local cloud does not do this: ask the database's catalog")

    describe_table = list_databases = list_schemas = list_tables = get_statement_result_v2 = _not_done
    list_sessions = _not_done
