"""The OpenAPI document: what FastAPI knows of, and the hot doors in front of it."""

from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ledgersafe.api.shapes import BatchAnswer, EventAnswer, Problem, ScoutAnswer

_EXAMPLE = {
    "schema_version": "1.0",
    "tenant_id": "tenant_demo",
    "store_id": "store_001",
    "source_system": "pos_sim",
    "event_id": "evt-1001",
    "event_type": "SALE",
    "occurred_at": "2026-02-25T00:00:00Z",
    "txn_id": "txn-9001",
    "currency": "USD",
    "total_amount": "42.50",
    "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": "30.00"}, {"sku": "SKU-BBB", "qty": 1, "amount": "12.50"}],
}
_CLOUDEVENT = {
    "specversion": "1.0",
    "id": "evt-ce-1",
    "source": "pos_sim",
    "type": "SALE",
    "time": "2026-02-25T00:00:00Z",
    "subject": "txn-ce-1",
    "tenantid": "tenant_demo",
    "storeid": "store_001",
    "currency": "USD",
    "data": {"total_amount": "5.00", "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": "5.00"}]},
}
_MEDIA_TYPES = {
    "structured": "application/cloudevents+json",
    "batch": "application/cloudevents-batch+json",
    "lines": "application/x-ndjson",
}
_LINE = orjson.dumps(_EXAMPLE).decode()
_CE_HEADERS = {
    "ce-specversion": ("1.0", "Makes the request a CloudEvent in binary mode; its body is the event's data."),
    "ce-id": ("evt-ce-2", "event_id"),
    "ce-source": ("pos_sim", "source_system"),
    "ce-type": ("SALE", "event_type"),
    "ce-time": ("2026-02-25T00:00:00Z", "occurred_at"),
    "ce-subject": ("txn-ce-2", "txn_id"),
    "ce-tenantid": ("tenant_demo", "tenant_id"),
    "ce-storeid": ("store_001", "store_id"),
    "ce-schemaversion": ("1.0", "schema_version; 1.0 if left out"),
    "ce-currency": ("USD", "currency"),
}
_SCOUT_EXAMPLE = {
    "transaction_id": "scout-1",
    "store_id": "s-1",
    "ts": "2026-02-25T00:00:00Z",
    "total_amount": "50.00",
    "items": [{"product_id": "p-1", "product_name": "Coffee", "qty": 1, "unit_price": "50.00", "line_amount": "50.00"}],
}
_LIVE: dict[str, Any] = {
    "tags": ["health"],
    "summary": "Is the process alive?",
    "responses": {"200": {"description": "It is."}},
    "security": [],
}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document. It is made once, and kept by the application."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for shape in (EventAnswer, BatchAnswer, ScoutAnswer, Problem):
            schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[shape.__name__] = schema
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}]
        _describe_refusals(made)
        made["paths"]["/v1/events"] = {"post": _event_door()}
        made["paths"]["/v1/events:batch"] = {"post": _batch_door()}
        made["paths"]["/functions/v1/ingest-transaction"] = {"post": _scout_door()}
        made["paths"]["/livez"] = {"get": _LIVE}
        app.openapi_schema = made
    return app.openapi_schema


def _describe_refusals(made: dict[str, Any]) -> None:
    """Every operation may be refused, as a problem; those open to everybody say so."""
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path in ("/readyz", "/metrics"):
                operation["security"] = []
            else:
                operation["responses"] |= _refusals()


def _refusals() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers = {
        "4XX": "Refused; reason_code says why, detail what to do.",
        "503": "Not now: send it again after Retry-After.",
    }
    return {status: {"description": text, "content": content} for status, text in answers.items()}


def _answers(shape: str, statuses: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
    return {status: {"description": text, "content": content} for status, text in statuses.items()}


def _body(example: Any, **also: dict[str, Any]) -> dict[str, Any]:
    """A body of JSON, or of one of the further kinds."""
    content = {"application/json": {"schema": _schema_of(example), "example": example}}
    return {"required": True, "content": content | {_MEDIA_TYPES[kind]: what for kind, what in also.items()}}


def _kind(name: str, example: Any, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"schema": schema or _schema_of(example), "examples": {name: {"value": example}}}


def _schema_of(example: Any) -> dict[str, Any]:
    one = {"type": "object"}
    return {"type": "array", "items": one, "minItems": 1} if isinstance(example, list) else one


def _cloudevents_batch() -> dict[str, Any]:
    return _kind("batch", [_CLOUDEVENT | {"id": "evt-ce-3", "subject": "txn-ce-3"}])


def _lines() -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "description": "One event a line; empty lines are passed over."}
    return _kind("lines", f"{_LINE}\n", schema)


def _binary_headers() -> list[dict[str, Any]]:
    """The headers of a CloudEvent in binary mode: all of them optional, as a native event has none."""
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": text,
            "schema": {"type": "string"},
            "examples": {"binary": {"value": example}},
        }
        for name, (example, text) in _CE_HEADERS.items()
    ]


def _event_door() -> dict[str, Any]:
    statuses = {
        "200": "Known already: a duplicate, or ignored by an operator.",
        "201": "First and valid: processed.",
        "202": "Kept and held; reason_code says why.",
    }
    return {
        "tags": ["ingest"],
        "summary": "One event: native, or a CloudEvent (structured, binary)",
        "description": "Batches (application/cloudevents-batch+json, application/x-ndjson) are taken here too, and "
        "answered as at /v1/events:batch. With ce- headers, the event is a CloudEvent in binary mode.",
        "parameters": _binary_headers(),
        "requestBody": _body(
            _EXAMPLE, structured=_kind("structured", _CLOUDEVENT), batch=_cloudevents_batch(), lines=_lines()
        ),
        "responses": _event_answers(statuses) | _refusals(),
    }


def _event_answers(statuses: dict[str, str]) -> dict[str, Any]:
    answers = _answers("EventAnswer", statuses)
    both = [{"$ref": f"#/components/schemas/{shape}"} for shape in ("EventAnswer", "BatchAnswer")]
    answers["200"]["content"] = {"application/json": {"schema": {"anyOf": both}}}
    answers["200"]["description"] += " Or a batch: one result an item, in order."
    return answers


def _batch_door() -> dict[str, Any]:
    return {
        "tags": ["ingest"],
        "summary": "Up to 10,000 events: NDJSON, a JSON array, or a CloudEvents batch",
        "description": "application/ndjson, application/jsonl and application/x-jsonlines are taken as "
        "application/x-ndjson. With any other type, what begins with [ is an array, and lines otherwise.",
        "requestBody": _body([_EXAMPLE], batch=_cloudevents_batch(), lines=_lines()),
        "responses": _answers("BatchAnswer", {"200": "One result an item, in order; Retry-After where one is 503."})
        | _refusals(),
    }


def _scout_door() -> dict[str, Any]:
    statuses = {"200": "A duplicate.", "201": "Processed.", "202": "Kept and held.", "4XX": "Refused; error says why."}
    tenant = {"name": "tenant_id", "in": "query", "required": False, "schema": {"type": "string"}}
    return {
        "tags": ["ingest"],
        "summary": "A transaction in the Scout shape: a SALE of the key's tenant",
        "parameters": [tenant],
        "requestBody": _body(_SCOUT_EXAMPLE),
        "responses": _refusals() | _answers("ScoutAnswer", statuses),
    }
