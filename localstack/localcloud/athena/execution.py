"""One query, from QUEUED to its end, in a thread of its own."""

from __future__ import annotations

import io
import logging
import re
import threading
import time
import uuid
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection
from moto.core.utils import utcnow

from localcloud.athena import ctas
from localcloud.athena.catalog import TableError, read_table
from localcloud.athena.objects import ScannedObjects
from localcloud.athena.results import Result, UnknownType, read_result
from localcloud.athena.translate import QueryError, Statement, translate
from localcloud.athena.views import make_view
from localcloud.clients import client

log = logging.getLogger(__name__)


class Execution:
    """A query's run.

    Args:
        statement: what is to be run, or why it cannot be: then it fails with that reason.
        output: the s3:// folder of the result.
        result_settings: the `ResultConfiguration` that counts, of the request or of the workgroup.
        cutoff: the most bytes that it may scan.
    """

    def __init__(
        self,
        statement: Statement | QueryError,
        *,
        sql: str,
        region: str,
        workgroup: str,
        context: dict[str, str],
        parameters: list[str],
        output: str,
        result_settings: dict[str, Any],
        cutoff: int | None,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.sql, self.workgroup, self.context, self.parameters = sql, workgroup, context, parameters
        self.statement = statement
        self.creates = statement.creates if isinstance(statement, Statement) else None
        self.region = region
        self.output = f"{output.rstrip('/')}/{self.id}" + ("" if self.creates else ".csv")
        self.result_settings = result_settings
        self.state = "QUEUED"
        self.reason: str | None = None
        self.submitted = utcnow()
        self.completed: Any = None
        self.milliseconds = 0
        self.result: Result | None = None
        self.manifest = ""
        self.objects = ScannedObjects(region, cutoff)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connection: DuckDBPyConnection | None = None

    @property
    def active(self) -> bool:
        return not self._ended.is_set()

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"athena-{self.id[:8]}", daemon=True).start()

    def stop(self) -> None:
        """Cancel it; nothing for one that has ended."""
        with self._lock:
            if self.state not in ("QUEUED", "RUNNING"):
                return
            self._enter("CANCELLED", "Query cancelled by user")
        threading.Thread(target=self._interrupt, name=f"stop-{self.id[:8]}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than `seconds`."""
        self._ended.wait(seconds)

    def _interrupt(self) -> None:
        # Between two statements nobody hears it: until it has ended.
        while not self._ended.wait(0.05):
            with self._lock:
                if self._connection:
                    self._connection.interrupt()

    def _run(self) -> None:
        began = time.monotonic()
        with self._lock:
            if self.state == "QUEUED":
                self.state = "RUNNING"
        state, reason = "SUCCEEDED", None
        try:
            if self.state == "RUNNING":
                self._execute()
        except Exception as error:
            state, reason = self._failure(error)
        self.milliseconds = int((time.monotonic() - began) * 1000)
        with self._lock:
            if self.state == "RUNNING":
                self._enter(state, reason)
        self._ended.set()

    def _failure(self, error: Exception) -> tuple[str, str]:
        # A query over its limit is cancelled:
        # https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html
        if self.objects.limit_exceeded:
            return "CANCELLED", "Bytes scanned limit was exceeded"
        if isinstance(error, (QueryError, TableError, UnknownType, OverflowError)):
            return "FAILED", str(error)
        if isinstance(error, duckdb.Error):
            return "FAILED", _reason(error)
        log.exception("query %s", self.id)
        return "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"

    def _enter(self, state: str, reason: str | None) -> None:
        self.state, self.reason, self.completed = state, reason, utcnow()

    def _execute(self) -> None:
        if isinstance(self.statement, QueryError):
            raise self.statement
        with duckdb.connect() as connection:
            connection.register_filesystem(self.objects)
            connection.execute(
                # Files of this machine are no tables; whole numbers divide as in Trino.
                "SET disabled_filesystems = 'LocalFileSystem'; SET TimeZone = 'UTC'; SET integer_division = true; "
                "SET threads = 2; SET memory_limit = '1GB'; SET autoinstall_known_extensions = false"
            )
            with self._lock:
                self._connection = connection
            try:
                self._answer(connection, self.statement)
            finally:
                with self._lock:
                    self._connection = None

    def _answer(self, connection: DuckDBPyConnection, statement: Statement) -> None:
        sql = translate(
            statement.query,
            database=self.context.get("Database", ""),
            parameters=self.parameters,
            table=lambda database, name: make_view(connection, self.objects, read_table(self.region, database, name)),
        )
        self.objects.start_counting()
        if statement.creates:
            ctas.create_table(connection, sql, statement.creates, self)
            return
        result = read_result(connection.execute(sql))
        self.put(self.output, result.csv())
        self.result = result

    def put(self, uri: str, body: bytes) -> None:
        """Write what belongs to the result, encrypted as it is to be."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        client("s3", self.region).put_object(
            Bucket=bucket, Key=key, Body=io.BytesIO(body), ContentType="text/csv", **self.encryption()
        )

    def encryption(self) -> dict[str, str]:
        """What PutObject is told of the encryption of results."""
        given = self.result_settings.get("EncryptionConfiguration") or {}
        match given.get("EncryptionOption"):
            case "SSE_S3":
                return {"ServerSideEncryption": "AES256"}
            case "SSE_KMS":
                return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": given["KmsKey"]}
            case _:
                return {}

    def as_dict(self) -> dict[str, Any]:
        """The `QueryExecution` of GetQueryExecution."""
        status = {
            "State": self.state,
            "StateChangeReason": self.reason,
            "SubmissionDateTime": self.submitted,
            "CompletionDateTime": self.completed,
        }
        if self.reason and self.state == "FAILED":
            status["AthenaError"] = {"ErrorCategory": 2, "ErrorMessage": self.reason, "Retryable": False}
        description = {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": "DDL" if self.creates else "DML",
            "SubstatementType": "CREATE_TABLE_AS_SELECT" if self.creates else "SELECT",
            "ResultConfiguration": {**self.result_settings, "OutputLocation": self.output},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": {name: value for name, value in status.items() if value is not None},
            "Statistics": {
                "EngineExecutionTimeInMillis": self.milliseconds,
                "DataScannedInBytes": self.objects.scanned,
                "TotalExecutionTimeInMillis": self.milliseconds,
                "ResultReuseInformation": {"ReusedPreviousResult": False},
                **({"DataManifestLocation": self.manifest} if self.manifest else {}),
            },
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }
        return description | ({"ExecutionParameters": self.parameters} if self.parameters else {})


def _reason(error: duckdb.Error) -> str:
    column = re.search(r'[Cc]olumn "?([^"]+?)"? (?:not found|referenced)', str(error))
    if isinstance(error, duckdb.BinderException) and column:
        return f"COLUMN_NOT_FOUND: Column '{column[1]}' cannot be resolved"
    kinds = {
        duckdb.BinderException: "TYPE_MISMATCH",
        duckdb.CatalogException: "FUNCTION_NOT_FOUND" if "Function" in str(error) else "TABLE_NOT_FOUND",
        duckdb.ParserException: "SYNTAX_ERROR",
        duckdb.ConversionException: "INVALID_CAST_ARGUMENT",
        duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE",
    }
    name = next((name for kind, name in kinds.items() if isinstance(error, kind)), "GENERIC_USER_ERROR")
    return f"{name}: {str(error).strip()}"
