"""moto's Athena backend with queries that run.

Hook: `athena_backends.backend`, the class that moto makes a region's backend from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.athena.models import AthenaBackend, athena_backends
from moto.core.exceptions import JsonRESTError

from localcloud.clients import client

if TYPE_CHECKING:
    from localcloud.athena.execution import Execution
    from localcloud.athena.translate import Statement


def use_as_backend() -> None:
    """Make moto use this backend. Call once, before the first request."""
    athena_backends.backend = Backend


def active_queries() -> list[Execution]:
    """The queries of all accounts and regions that have not ended."""
    return [
        run
        for _, _, backend in list(athena_backends.iter_backends())
        if isinstance(backend, Backend)
        for run in list(backend.runs.values())
        if run.active
    ]


def invalid(message: str) -> JsonRESTError:
    """The error of a request that cannot be served."""
    return JsonRESTError("InvalidRequestException", message)


class Backend(AthenaBackend):
    """Athena in one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.runs: dict[str, Execution] = {}

    @property
    def _url_module(self) -> Any:  # type: ignore[misc]
        from localcloud.athena import urls

        return urls

    def start(self, request: dict[str, Any]) -> Execution:
        """Run the query of a StartQueryExecution; raises InvalidRequestException."""
        # Here and not above: who never asks does not wait for DuckDB.
        from localcloud.athena.execution import Execution
        from localcloud.athena.translate import QueryError, StatementRefused, parse

        name = request.get("WorkGroup") or "primary"
        group = self.work_groups.get(name)
        if group is None:
            raise invalid(f"WorkGroup {name} is not found.")
        if group.state != "ENABLED":
            raise invalid(f"WorkGroup {name} is disabled.")
        settings = group.configuration
        shared = settings.get("ResultConfiguration") or {}
        enforced = bool(settings.get("EnforceWorkGroupConfiguration"))
        result_settings = shared if enforced else {**shared, **(request.get("ResultConfiguration") or {})}
        output = result_settings.get("OutputLocation", "")
        self._check_output(output)
        sql = request["QueryString"].strip().rstrip(";")
        statement: Statement | QueryError
        try:
            statement = parse(sql)
        except QueryError as error:
            statement = error
        except StatementRefused as error:
            raise JsonRESTError("NotSupportedByLocalCloud", str(error)) from error
        run = Execution(
            statement,
            sql=request["QueryString"],
            region=self.region_name,
            workgroup=name,
            context=request.get("QueryExecutionContext") or {},
            parameters=request.get("ExecutionParameters") or [],
            output=output,
            result_settings=result_settings,
            cutoff=settings.get("BytesScannedCutoffPerQuery"),
        )
        self.runs[run.id] = run
        run.start()
        return run

    def run(self, execution_id: str) -> Execution:
        """A query's run by its id; raises InvalidRequestException."""
        if execution_id not in self.runs:
            raise invalid(f"QueryExecution {execution_id} was not found")
        return self.runs[execution_id]

    def _check_output(self, output: str) -> None:
        if not output.startswith("s3://"):
            raise invalid(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        bucket = output.removeprefix("s3://").split("/")[0]
        try:
            client("s3", self.region_name).head_bucket(Bucket=bucket)
        except ClientError as error:
            raise invalid(f"Unable to verify/create output bucket {bucket}") from error
