"""What OpenLineage is told of a model: the tables that it reads, by the names that they have, and its columns.

Cosmos asks OpenLineage's integration of dbt, which calls a source's table by its name in the project and not in the
warehouse, and follows no column through `select * from final`. What `make manifest` found out is put in their place.
The SQL that it ran is taken out: the salt of the masks is in it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

LINEAGE = Path(__file__).with_name("dbt") / "target" / "lineage.json"

_TRANSFORMATIONS = {"same": "IDENTITY", "computed": "TRANSFORMATION", "aggregated": "AGGREGATION"}

log = logging.getLogger(__name__)


def complete_lineage(project: str, *, context: Context, **_: Any) -> None:
    """Put right what the task's operator will report; Cosmos calls it when dbt is over.

    Nothing that goes wrong here fails the task.

    Args:
        project: the folder that dbt ran in.
        context: of the task.
    """
    operator: Any = context["task"]
    # Before anything that can fail, and with what asks nothing of the event.
    for event in getattr(operator, "openlineage_events_completes", None) or ():
        (event.job.facets or {}).pop("sql", None)
    try:
        models = {model["table"]: model for model in json.loads(LINEAGE.read_text(encoding="utf-8"))}
        events = operator.openlineage_events_completes
        # A test's event reads what its model wrote: beside the model's own that would be a table made of itself.
        operator.openlineage_events_completes = [event for event in events if _complete(event, models)]
    except Exception:
        log.warning("the lineage of this run of dbt has no columns", exc_info=True)


def _complete(event: Any, models: dict[str, Any]) -> bool:
    """Whether the event is of a model; then it has its inputs and its columns."""
    from openlineage.client.event_v2 import InputDataset

    for output in event.outputs:
        database, _, table = output.name.partition(".")
        if table not in models:
            return False
        described = {each.name: each for each in event.inputs}
        names = [f"{database}.{name}" for name in models[table]["inputs"]]
        event.inputs = [described.get(name) or InputDataset(output.namespace, name) for name in names]
        if columns := models[table]["columns"]:
            output.facets = {**(output.facets or {}), "columnLineage": _columns(columns, output.namespace, database)}
    return bool(event.outputs)


def _columns(columns: dict[str, Any], namespace: str, database: str) -> Any:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    fields = {
        column: facet.Fields(
            inputFields=[
                facet.InputField(
                    namespace=namespace,
                    name=f"{database}.{each['dataset']}",
                    field=each["column"],
                    transformations=[
                        facet.Transformation(type="DIRECT", subtype=_TRANSFORMATIONS[each.get("kind", "same")])
                    ],
                )
                for each in inputs
                if each["column"] != "*"  # of the number of rows there is no field
            ]
        )
        for column, inputs in columns.items()
    }
    return facet.ColumnLineageDatasetFacet(fields={name: each for name, each in fields.items() if each.inputFields})
