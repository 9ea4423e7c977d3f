"""Every error that Ingot raises on purpose.

::

    IngotError
    ├── TransientError              worth trying again
    │   ├── SourceUnavailable       outage, time-out, too many requests
    │   ├── PayloadBroken           the source answered, but the body is cut off or no JSON
    │   ├── BatchOvertaken          another batch of the stream was committed meanwhile
    │   ├── StorageUnavailable      S3 did not answer
    │   └── WarehouseUnavailable    the warehouse did not answer
    └── TerminalError               the same again until somebody changes something
        ├── ConfigurationError      a source.yaml, contract, argument or secret is wrong
        ├── SourceRefused           the source answered 4xx
        ├── RejectRateExceeded      more records refused than the contract allows
        ├── DeleteRateExceeded      more keys vanished from a snapshot than the stream allows
        ├── BatchMissing            a step's input was never committed
        └── IntegrityError          what is stored is not what the manifest says

Terminal or transient is a type, because two machines act on it: our own retries and the orchestrator's.
"""

from __future__ import annotations


class IngotError(Exception):
    """Base of all; holds what the failure is about and what to do next.

    Args:
        message: what happened, in one sentence, without any value of a record.
        hint: what to do next.
        source, stream, batch, key, url: what it is about, where known; ``key`` is an object's or a record's.
    """

    transient = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        source: str | None = None,
        stream: str | None = None,
        batch: str | None = None,
        key: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.source = source
        self.stream = stream
        self.batch = batch
        self.key = key
        self.url = url

    def __str__(self) -> str:
        about = {"source": self.source, "stream": self.stream, "batch": self.batch, "key": self.key}
        fields = ", ".join(f"{name}={value}" for name, value in about.items() if value is not None)
        parts = [self.message]
        if fields:
            parts.append(f"[{fields}]")
        if self.hint:
            parts.append(f"Next: {self.hint}")
        return " ".join(parts)

    @property
    def verdict(self) -> str:
        """One line for the orchestrator: ``TRANSIENT X: …`` or ``TERMINAL X: …``."""
        kind = "TRANSIENT" if self.transient else "TERMINAL"
        return f"{kind} {type(self).__name__}: {' '.join(str(self).split())}"


class TransientError(IngotError):
    """The same call may succeed later."""

    transient = True


class TerminalError(IngotError):
    """Trying again gives the same failure."""


class SourceUnavailable(TransientError):
    """The source is down, slow or asks to wait.

    Attributes:
        retry_after: the seconds that it asks to wait, where it says so.
    """

    retry_after: float | None = None


class PayloadBroken(TransientError):
    """The source answered, but with a body that is cut off or is not what it serves."""


class BatchOvertaken(TransientError):
    """A batch that continues a stream was overtaken by another: it has to start again from that one."""


class StorageUnavailable(TransientError):
    """S3 did not do what it was asked."""


class WarehouseUnavailable(TransientError):
    """The warehouse cannot be reached or dropped the connection."""


class ConfigurationError(TerminalError):
    """A file, an argument or a secret of ours is wrong."""


class SourceRefused(TerminalError):
    """The source answered 4xx: the request itself is wrong or not allowed."""


class RejectRateExceeded(TerminalError):
    """More records were refused than the contract's ``maxRejectRate`` allows."""


class DeleteRateExceeded(TerminalError):
    """More of the known keys are missing from a snapshot than ``max_delete_rate`` allows."""


class BatchMissing(TerminalError):
    """The batch that a step should work on was never committed, or its Parquet never written."""


class IntegrityError(TerminalError):
    """Stored bytes differ from what the manifest recorded."""
