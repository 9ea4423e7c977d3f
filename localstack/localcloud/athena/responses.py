"""The Athena operations about queries; all others are moto's."""

from __future__ import annotations

import json
from typing import Any

from moto.athena.exceptions import MetadataException
from moto.athena.responses import AthenaResponse
from moto.core.responses import ActionResult

from localcloud.athena.backend import Backend, invalid
from localcloud.clients import client

LARGEST_PAGE = 1000


class Responses(AthenaResponse):
    """moto's, with queries that run."""

    @property
    def _backend(self) -> Backend:
        backend = self.athena_backend
        assert isinstance(backend, Backend)
        return backend

    @property
    def _request(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body or "{}")
        return found

    def start_query_execution(self) -> ActionResult:  # type: ignore[override]
        return ActionResult({"QueryExecutionId": self._backend.start(self._request).id})

    def get_query_execution(self) -> ActionResult:  # type: ignore[override]
        return ActionResult({"QueryExecution": self._backend.run(self._request["QueryExecutionId"]).as_dict()})

    def batch_get_query_execution(self) -> ActionResult:
        runs, unknown = self._backend.runs, []
        found = []
        for execution_id in self._request["QueryExecutionIds"]:
            if execution_id in runs:
                found.append(runs[execution_id].as_dict())
            else:
                unknown.append({"QueryExecutionId": execution_id, "ErrorMessage": "was not found"})
        return ActionResult({"QueryExecutions": found, "UnprocessedQueryExecutionIds": unknown})

    def stop_query_execution(self) -> ActionResult:  # type: ignore[override]
        self._backend.run(self._request["QueryExecutionId"]).stop()
        return ActionResult({})

    def list_query_executions(self) -> ActionResult:  # type: ignore[override]
        group = self._request.get("WorkGroup") or "primary"
        ids = [run.id for run in reversed(self._backend.runs.values()) if run.workgroup == group]
        start = int(self._request.get("NextToken") or 0)
        end = start + int(self._request.get("MaxResults") or 50)
        return ActionResult({"QueryExecutionIds": ids[start:end], **({"NextToken": str(end)} if ids[end:] else {})})

    def get_query_results(self) -> ActionResult:  # type: ignore[override]
        run = self._backend.run(self._request["QueryExecutionId"])
        if run.state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {run.state}")
        if run.result is None:
            return ActionResult({"UpdateCount": 0, "ResultSet": {"Rows": [], "ResultSetMetadata": {"ColumnInfo": []}}})
        start = int(self._request.get("NextToken") or 0)
        size = min(int(self._request.get("MaxResults") or LARGEST_PAGE), LARGEST_PAGE)
        answer: dict[str, Any] = {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": run.result.page(start, size),
                "ResultSetMetadata": {"ColumnInfo": run.result.columns},
            },
        }
        if start + size <= len(run.result.rows):
            answer["NextToken"] = str(start + size)
        return ActionResult(answer)

    def get_query_runtime_statistics(self) -> ActionResult:  # type: ignore[override]
        run = self._backend.run(self._request["QueryExecutionId"])
        statistics = {
            "Timeline": {"TotalExecutionTimeInMillis": run.milliseconds},
            "Rows": {
                "InputBytes": run.objects.scanned,
                "OutputRows": len(run.result.rows) if run.result else 0,
            },
        }
        return ActionResult({"QueryRuntimeStatistics": statistics})

    def get_database(self) -> ActionResult:  # type: ignore[override]
        name = self._request["DatabaseName"]
        for database in self._databases():
            if database["Name"] == name.lower():
                return ActionResult({"Database": database})
        raise MetadataException(f"Database {name} not found")

    def list_databases(self) -> ActionResult:  # type: ignore[override]
        return ActionResult({"DatabaseList": self._databases()})

    def _databases(self) -> list[dict[str, Any]]:
        """Those of the Glue Catalog, which Athena's own catalog is."""
        if (name := self._request["CatalogName"]) != "AwsDataCatalog":
            raise MetadataException(f"Catalog {name} not found")
        pages = client("glue", self.region).get_paginator("get_databases").paginate()
        shown = ("Name", "Description", "Parameters")
        return [
            {member: database[member] for member in shown if member in database}
            for page in pages
            for database in page["DatabaseList"]
        ]
