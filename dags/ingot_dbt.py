"""Which failures of dbt are worth another try.

dbt's exit code tells: 1, "completed with at least one handled error", is a model that does not run or a test
that does not hold, and will be so again; 2 is all else, above all a warehouse that cannot be reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.sdk import Context

# The words of Cosmos, which keeps the number nowhere else; a test holds them to the installed version.
HANDLED_ERROR = "non-zero exit code 1."


class TransientOnly(RetryPolicy):
    """Retry what a second try can change: never a model's error or a failed test."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if HANDLED_ERROR in str(exception):
            return RetryDecision.fail("a model or a test failed: the log above says which and why")
        return RetryDecision.default()
