"""What was made of what, as an OpenLineage run event (openlineage.io, spec 2-0-2)."""

from datetime import datetime
from typing import Any

from ledgersafe.files.store import Ingestion
from ledgersafe.pipeline.deliveries.delivery import Tally, Work

_PRODUCER = "urn:ledgersafe"
_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_RAW = "ledgersafe/raw"
_ENDED = {"succeeded": "COMPLETE", "quarantined": "ABORT", "failed": "FAIL"}


def lineage_report(of: Ingestion, work: Work | None, tally: Tally, status: str, now: datetime) -> dict[str, Any]:
    """From the file over its contract to a table or to events. `status`: how the delivery ended."""
    return {
        "eventType": _ENDED[status],
        "eventTime": now.isoformat(),
        "run": {"runId": str(of.ingestion_id)},
        "job": {"namespace": f"ledgersafe/{of.tenant_id}", "name": of.dataset},
        "inputs": [
            {
                "namespace": _RAW,
                "name": of.raw_path,
                "facets": {"version": _facet(datasetVersion=of.sha256.hex())},
                "inputFacets": {"inputStatistics": _facet(rowCount=tally.rows_in, size=of.size_bytes)},
            }
        ],
        "outputs": [] if work is None else [_output(work, tally)],
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
    }


def _output(work: Work, tally: Tally) -> dict[str, Any]:
    dataset, raw = work.dataset, {"namespace": _RAW, "name": work.ingestion.raw_path}
    is_table = dataset.shape.kind == "table"
    fields = {ours: {"inputFields": [raw | {"field": theirs}]} for theirs, ours in work.header.renamed.items()}
    return {
        "namespace": "ledgersafe/files" if is_table else "ledgersafe/events",
        "name": f"curated_{dataset.name}" if is_table else dataset.name,
        "facets": {
            "schema": _facet(fields=[{"name": one.name, "type": str(one.type)} for one in dataset.columns]),
            "columnLineage": _facet(fields=fields),
            "version": _facet(datasetVersion=str(work.version)),
        },
        "outputFacets": {"outputStatistics": _facet(rowCount=tally.rows_in - tally.rows_bad)},
    }


def _facet(**members: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": _SCHEMA} | members
