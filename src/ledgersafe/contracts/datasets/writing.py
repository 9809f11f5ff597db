"""Contracts in other forms: our YAML, the Open Data Contract Standard, JSON Schema. Pure."""

from typing import Any, cast

import msgspec

from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.types import ColumnType, parse_type

ODCS_VERSION = "v3.0.2"
_OURS = "ledgersafe"
_LOGICAL = {"decimal": "number", "datetime": "timestamp"}
_JSON_TYPES = {"integer": "integer", "boolean": "boolean"}


def members_of(dataset: Dataset) -> dict[str, Any]:
    """The members of its YAML; what is as by default is left out."""
    return cast("dict[str, Any]", msgspec.to_builtins(dataset.shape))


def as_odcs(dataset: Dataset) -> dict[str, Any]:
    """A contract of the Open Data Contract Standard 3. What the standard has no place for stands in customProperties,
    so that reading it again gives the same contract.
    """
    schema: dict[str, Any] = {
        "name": dataset.name,
        "physicalName": f"curated_{dataset.name}",
        "logicalType": "object",
        "properties": [_odcs_property(dataset, column) for column in dataset.columns],
    }
    return {
        "apiVersion": ODCS_VERSION,
        "kind": "DataContract",
        "id": dataset.name,
        "name": dataset.name,
        "version": str(dataset.shape.version or 1),
        "status": "active",
        **({"description": {"purpose": dataset.shape.description}} if dataset.shape.description else {}),
        "schema": [schema],
        "customProperties": [{"property": _OURS, "value": members_of(dataset)}],
    }


def _odcs_property(dataset: Dataset, column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL.get(column.type.name, column.type.name),
        "physicalType": column.type.in_postgres,
        "required": column.required,
    }
    if column.shape.description:
        found["description"] = column.shape.description
    if column.shape.unique:
        found["unique"] = True
    if column.is_key:
        found |= {"primaryKey": True, "primaryKeyPosition": dataset.primary_key.index(column.name) + 1}
    if options := _odcs_options(column):
        found["logicalTypeOptions"] = options
    return found


def _odcs_options(column: Column) -> dict[str, Any]:
    low, high = ("minLength", "maxLength") if column.type.name == "string" else ("minimum", "maximum")
    options = {low: column.shape.min, high: column.shape.max, "pattern": column.shape.pattern}
    return {name: value for name, value in options.items() if value is not None}


def from_odcs(members: dict[str, Any]) -> dict[str, Any]:
    """The members of our contract from one of the standard; its first schema is taken. Raises ValueError."""
    for custom in cast("list[dict[str, Any]]", members.get("customProperties") or []):
        if custom.get("property") == _OURS:
            return custom["value"]
    schemas = cast("list[dict[str, Any]]", members.get("schema") or [])
    if len(schemas) != 1 or not schemas[0].get("properties"):
        raise ValueError("expected one schema with properties: split the contract by table")
    properties = cast("list[dict[str, Any]]", schemas[0]["properties"])
    if lacking := [at for at, one in enumerate(properties) if not one.get("name")]:
        raise ValueError(f"property {lacking[0] + 1} of its schema has no name")
    if len({str(one["name"]) for one in properties}) < len(properties):
        raise ValueError("two properties of its schema have the same name")
    keys = sorted((one for one in properties if one.get("primaryKey")), key=_key_position)
    found: dict[str, Any] = {
        "dataset": _as_name(str(schemas[0].get("physicalName") or schemas[0].get("name") or members.get("id"))),
        "primary_key": [one["name"] for one in keys],
        "columns": {str(one["name"]): _column_of(one) for one in properties},
    }
    description = cast("dict[str, Any]", members.get("description") or {})
    purpose = description.get("purpose")
    return found | ({"description": purpose} if purpose else {})


def _key_position(one: dict[str, Any]) -> int:
    return int(one.get("primaryKeyPosition") or 0)


def _column_of(one: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = one.get("logicalTypeOptions") or {}
    found: dict[str, Any] = {"type": str(_type_of(one))}
    for name in ("required", "unique"):
        if one.get(name):
            found[name] = True
    for name, theirs in (("min", ("minimum", "minLength")), ("max", ("maximum", "maxLength"))):
        value = next((options[their] for their in theirs if their in options), None)
        if value is not None:
            found[name] = value
    if options.get("pattern"):
        found["pattern"] = options["pattern"]
    if one.get("description"):
        found["description"] = one["description"]
    return found


def _type_of(one: dict[str, Any]) -> ColumnType:
    physical = str(one.get("physicalType") or "").lower().replace("numeric(", "decimal(").replace(" ", "")
    if physical.startswith("decimal("):
        return parse_type(physical)
    logical = str(one.get("logicalType") or "string")
    return parse_type({"timestamp": "datetime", "time": "string"}.get(logical, logical))


def _as_name(text: str) -> str:
    name = "".join(character if character.isalnum() else "_" for character in text.lower()).strip("_")
    return name if name[:1].isalpha() else f"d_{name}"


def as_json_schema(dataset: Dataset) -> dict[str, Any]:
    """A JSON Schema (2020-12) of one row as it stands in the curated table; decimals are strings there."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": dataset.name,
        **({"description": dataset.shape.description} if dataset.shape.description else {}),
        "type": "object",
        "properties": {column.name: _json_property(column) for column in dataset.columns},
        "required": [column.name for column in dataset.columns if column.required],
        "additionalProperties": False,
    }


def _json_property(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _JSON_TYPES.get(column.type.name, "string")}
    if column.type.name in ("decimal", "number"):
        found["pattern"] = r"^-?[0-9]+(\.[0-9]+)?$"
    elif column.type.is_time:
        found["format"] = "date" if column.type.name == "date" else "date-time"
    elif column.type.name in ("string", "integer"):
        found |= _odcs_options(column)  # they are named alike
    if column.shape.default is not None:
        found["default"] = column.shape.default
    if column.shape.enum is not None:
        found["enum"] = list(column.shape.enum)
    if column.shape.description:
        found["description"] = column.shape.description
    if not column.required:
        found["type"] = [found["type"], "null"]
    return found
