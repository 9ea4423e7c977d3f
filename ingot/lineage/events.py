"""OpenLineage's events, as its public schema has them (https://openlineage.io/spec/2-0-2/OpenLineage.json).

They are plain documents: a job is told to begin and to end within seconds, and openlineage-python would bring seven
packages to say these few words (see docs/adr/0022-lineage.md). That they are what they should be, the tests ask the
schema.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ingot import __version__
from ingot.lineage.fields import Field
from ingot.lineage.model import Dataset, Made

PRODUCER = f"urn:ingot:{__version__}"
BATCH_SCHEMA = "urn:ingot:lineage:1-0-0#/$defs/BatchRunFacet"
"""Of our own facet, see docs/reference/lineage-facets.json."""
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/"
_FACETS = {
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "dataQualityMetrics": "1-0-3/DataQualityMetricsInputDatasetFacet",
    "datasetType": "1-0-1/DatasetTypeDatasetFacet",
    "documentation": "1-1-0/DocumentationDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "inputStatistics": "1-0-0/InputStatisticsInputDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "nominalTime": "1-0-1/NominalTimeRunFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
}
_TRANSFORMATIONS = {"same": "IDENTITY", "computed": "TRANSFORMATION", "aggregated": "AGGREGATION"}
_TYPES = {"source": "API", "landing": "FILE", "data": "FILE", "lake": "FILE", "staging": "VIEW"}

Event = dict[str, Any]
State = Literal["START", "COMPLETE", "FAIL"]


class Counts(msgspec.Struct, frozen=True):
    """How much of a dataset a run read or wrote; None where nobody counts.

    Attributes:
        rows: records.
        bytes: their size.
        files: how many objects they are in.
    """

    rows: int | None = None
    bytes: int | None = None
    files: int | None = None


class Side(msgspec.Struct, frozen=True):
    """A dataset that a run reads or writes.

    Attributes:
        counts: how much of it; None: nobody knows yet.
        made: of what it writes: column → what it is made of.
        version: what the run wrote is called.
    """

    dataset: Dataset
    counts: Counts | None = None
    made: Made = {}
    version: str = ""


class Flow(msgspec.Struct, frozen=True):
    """What a run reads and writes."""

    inputs: tuple[Side, ...] = ()
    outputs: tuple[Side, ...] = ()


class Parent(msgspec.Struct, frozen=True):
    """The run that started a run: a task of Airflow, an execution of a state machine."""

    namespace: str
    job: str
    run_id: str


class Job(msgspec.Struct, frozen=True):
    """What runs, by its namespace and name."""

    namespace: str
    name: str
    kind: str = "JOB"


def run_event(
    state: State,
    job: Job,
    run_id: str,
    *,
    flow: Flow | None = None,
    run_facets: Mapping[str, Event] | None = None,
    at: datetime | None = None,
) -> Event:
    """What became of a run."""
    return {
        **_event("RunEvent", at),
        "eventType": state,
        "run": {"runId": run_id, "facets": dict(run_facets or {})},
        **_moves(job, flow or Flow()),
    }


def job_event(job: Job, flow: Flow, at: datetime | None = None) -> Event:
    """What a job reads and writes whenever it runs, as it is declared."""
    return {**_event("JobEvent", at), **_moves(job, flow)}


def facet(name: str, /, **content: Any) -> Event:
    """One of the standard's facets."""
    version, _, title = _FACETS[name].partition("/")
    return {
        "_producer": PRODUCER,
        "_schemaURL": f"{_SPEC}/facets/{version}/{title}.json#/$defs/{title}",
        **{key: value for key, value in content.items() if value is not None},
    }


def batch_facet(**content: Any) -> Event:
    """Our own facet: which batch it was."""
    kept = {key: value for key, value in content.items() if value is not None}
    return {"_producer": PRODUCER, "_schemaURL": BATCH_SCHEMA, **kept}


def parent_of(text: str) -> Parent | None:
    """The parent that ``namespace/job/run`` names, as Airflow writes it; None if it names none.

    A run whose id is no UUID, as that of a state machine's execution need not be, gets one that is made of it.
    """
    # A namespace may hold slashes; a job's name and a run's id do not.
    parts = text.rsplit("/", 2)
    if len(parts) != 3 or not all(parts):
        return None
    namespace, job, run = parts
    try:
        run_id = str(uuid.UUID(run))
    except ValueError:
        run_id = str(uuid.uuid5(uuid.NAMESPACE_URL, text))
    return Parent(namespace, job, run_id)


def parent_facet(parent: Parent) -> Event:
    """Who started a run."""
    return facet("parent", run={"runId": parent.run_id}, job={"namespace": parent.namespace, "name": parent.job})


def _event(kind: str, at: datetime | None) -> Event:
    return {
        "eventTime": (at or datetime.now(UTC)).isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{_EVENT}{kind}",
    }


def _moves(job: Job, flow: Flow) -> Event:
    known = {side.dataset.id: side.dataset for side in (*flow.inputs, *flow.outputs)}
    kind = facet("jobType", processingType="BATCH", integration="INGOT", jobType=job.kind)
    return {
        "job": {"namespace": job.namespace, "name": job.name, "facets": {"jobType": kind}},
        "inputs": [_input(side) for side in flow.inputs],
        "outputs": [_output(side, known) for side in flow.outputs],
    }


def _input(side: Side) -> Event:
    counted: Event = {}
    if (counts := side.counts) is not None:
        counted["inputStatistics"] = facet(
            "inputStatistics", rowCount=counts.rows, size=counts.bytes, fileCount=counts.files
        )
        counted["dataQualityMetrics"] = facet(
            "dataQualityMetrics",
            rowCount=counts.rows,
            bytes=counts.bytes,
            fileCount=counts.files,
            columnMetrics={},
        )
    return {**_dataset(side), "inputFacets": counted}


def _output(side: Side, known: Mapping[str, Dataset]) -> Event:
    described, counted = _dataset(side), {}
    if fields := _column_lineage(side, known):
        described["facets"]["columnLineage"] = facet("columnLineage", fields=fields)
    if (counts := side.counts) is not None:
        counted["outputStatistics"] = facet(
            "outputStatistics", rowCount=counts.rows, size=counts.bytes, fileCount=counts.files
        )
    return {**described, "outputFacets": counted}


def _dataset(side: Side) -> Event:
    dataset = side.dataset
    facets = {"datasetType": facet("datasetType", datasetType=_TYPES.get(dataset.layer, "TABLE"))}
    if dataset.fields:
        facets["schema"] = facet("schema", fields=[_field(each) for each in dataset.fields])
    if dataset.description:
        facets["documentation"] = facet("documentation", description=dataset.description)
    if side.version:
        facets["version"] = facet("version", datasetVersion=side.version)
    return {"namespace": dataset.name.namespace, "name": dataset.name.name, "facets": facets}


def _field(field: Field) -> Event:
    told = {"name": field.name, "type": field.type, "description": field.description}
    return {key: value for key, value in told.items() if value}


def _column_lineage(side: Side, known: Mapping[str, Dataset]) -> Event:
    fields = {}
    for column, inputs in side.made.items():
        found = [
            {
                "namespace": known[each.dataset].name.namespace,
                "name": known[each.dataset].name.name,
                "field": each.column,
                "transformations": [{"type": "DIRECT", "subtype": _TRANSFORMATIONS[each.kind]}],
            }
            # Of the number of rows there is no field.
            for each in inputs
            if each.dataset in known and each.column != "*"
        ]
        if found:
            fields[column] = {"inputFields": found}
    return fields
