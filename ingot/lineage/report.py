"""A run of a job, as it is reported: START when it begins, COMPLETE or FAIL when it ends, and what it moved.

Nothing fails for it: an event that cannot be made or sent is said to be lost, and the run goes on.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ingot import __version__
from ingot.errors import IngotError
from ingot.lineage.events import Event, Flow, Job, State, batch_facet, facet, parent_facet, parent_of, run_event
from ingot.lineage.transport import Transport, choose


@dataclass
class Report:
    """One run.

    Attributes:
        transport: where its events go; None: nowhere.
        job: what runs.
        run_id: of this run of it, a UUID.
        facets: what is said of the run in each event.
        ending: makes what it read and wrote, and what is said of its batch, once it is over.
    """

    transport: Transport | None
    job: Job
    run_id: str
    facets: dict[str, Event] = field(default_factory=dict)
    ending: Callable[[], tuple[Flow, Mapping[str, object]]] | None = None

    def begin(self) -> None:
        """Say that it has begun."""
        self._send("START", Flow(), self.facets)

    def end(self, problem: BaseException | None) -> None:
        """Say that it is over, and of what."""
        if self.transport is None:
            return
        facets, flow = dict(self.facets), Flow()
        if problem is not None:
            # The message of an error of others may quote a record.
            said = str(problem)[:1000] if isinstance(problem, IngotError) else "see the log of the run"
            message = f"{type(problem).__name__}: {said}"
            facets["errorMessage"] = facet("errorMessage", message=message, programmingLanguage="python")
        try:
            if self.ending is not None:
                flow, about = self.ending()
                facets |= {"ingot_batch": batch_facet(**about)} if about else {}
        except Exception as error:
            lost(error)
        self._send("COMPLETE" if problem is None else "FAIL", flow, facets)

    def _send(self, state: State, flow: Flow, facets: dict[str, Event]) -> None:
        if self.transport is None:
            return
        try:
            self.transport(run_event(state, self.job, self.run_id, flow=flow, run_facets=facets))
        except Exception as error:
            lost(error)
            self.transport = None  # who did not answer once is not waited for again


def run_report(name: str, *, told: str, namespace: str, parent: str, run: str) -> Report:
    """The report of a run of a job.

    Args:
        name: the job's.
        told: where events go, see :func:`ingot.lineage.transport.choose`.
        namespace: the job's, unless ``OPENLINEAGE_NAMESPACE`` names another.
        parent: the run that started it: ``namespace/job/run``; else ``OPENLINEAGE_PARENT_ID`` may say it.
        run: what nothing but this run is called; empty: it has no name.
    """
    job = Job(os.environ.get("OPENLINEAGE_NAMESPACE") or namespace or "ingot", name, "STEP")
    try:
        transport = choose(told)
    except Exception as error:
        lost(error)
        transport = None
    facets = {"processing_engine": facet("processing_engine", version=__version__, name="ingot")}
    if (started_by := parent_of(parent or os.environ.get("OPENLINEAGE_PARENT_ID", ""))) is not None:
        facets["parent"] = parent_facet(started_by)
    return Report(transport, job, str(uuid.uuid5(uuid.NAMESPACE_URL, run) if run else uuid.uuid4()), facets)


@contextmanager
def reported(report: Report) -> Iterator[Report]:
    """Report a run, whatever becomes of it."""
    report.begin()
    problem: BaseException | None = None
    try:
        yield report
    except BaseException as error:
        problem = error
        raise
    finally:
        report.end(problem)


def lost(error: Exception) -> None:
    """Say that an event is lost."""
    print(f"The lineage of this run is lost: {type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
