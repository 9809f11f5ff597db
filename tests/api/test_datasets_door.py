"""Contracts are put, read and checked over HTTP; and what came of a dataset's files is told in figures."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import yaml

from ledgersafe.contracts.datasets.reading import checked
from ledgersafe.contracts.datasets.writing import as_odcs
from tests.api.answers import refused, rows
from tests.conftest import Api
from tests.contracts.test_dataset_events import CONTRACT as EVENTS

COLUMNS = {"sku": {"type": "string"}, "qty": {"type": "integer", "min": 0}, "price": {"type": "decimal(12,2)"}}


def contract(dataset: str, **more: Any) -> dict[str, Any]:
    return {"dataset": dataset, "columns": COLUMNS, "primary_key": ["sku"]} | more


@pytest.fixture
def client(api: Api, tenant: str) -> Iterator[httpx.Client]:
    with api.client(api.new_key(tenants=[tenant], scopes=["ingest", "read", "admin"])) as opened:
        yield opened


@pytest.fixture
def dataset(tenant: str) -> str:
    """A name of this test's own: its table is shared by all tenants."""
    return tenant.replace("-", "_")


def put(client: httpx.Client, members: dict[str, Any], **query: str) -> httpx.Response:
    return client.put(f"/v1/datasets/{members['dataset']}/contract", params=query, json=members)


def test_versions_of_a_contract(client: httpx.Client, dataset: str) -> None:
    first = put(client, contract(dataset), notes="first")
    assert first.status_code == 200, first.text
    assert (first.json()["changed"], first.json()["contract"]["version"]) == (True, 1)
    again = put(client, contract(dataset) | {"version": 7}).json()
    assert (again["changed"], again["contract"]) == (False, first.json()["contract"])
    wider = contract(dataset, columns=COLUMNS | {"note": {"type": "string"}}, description="Stock")
    second = put(client, wider).json()
    assert (second["changed"], second["contract"]["version"]) == (True, 2)
    assert any(change["path"].startswith("/columns/note") for change in second["changes"])
    address = f"/v1/datasets/{dataset}/contract"
    assert client.get(address).json() == second["contract"]
    assert client.get(address, params={"version": 1}).json() == first.json()["contract"]
    assert first.json()["contract"]["notes"] == "first"
    refused(client.get(address, params={"version": 3}), 404, "NOT_FOUND")
    refused(client.get("/v1/datasets/nothing/contract"), 404, "NOT_FOUND")
    audit = client.get("/v1/audit", params={"object_type": "contract", "object_id": dataset}).json()["items"]
    assert [(entry["action"], entry["after_json"]["version"]) for entry in audit] == [
        ("contract.put", 1),
        ("contract.put", 2),
    ]
    (listed,) = client.get("/v1/datasets").json()["items"]
    assert (listed["dataset"], listed["kind"], listed["contract_version"]) == (dataset, "table", 2)
    assert (listed["description"], listed["deliveries"]) == ("Stock", 0)


def test_the_same_contract_in_every_spelling(client: httpx.Client, dataset: str) -> None:
    members = contract(dataset)
    put(client, members)
    texts = {
        "application/yaml": yaml.safe_dump(members),
        "application/json": json.dumps(members),
        "application/yaml; charset=utf-8": yaml.safe_dump(as_odcs(checked(members))),
        "application/json; x=y": json.dumps(as_odcs(checked(members))),
    }
    for media_type, text in texts.items():
        address, headers = f"/v1/datasets/{dataset}/contract", {"content-type": media_type}
        answer = client.put(address, content=text.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["changed"] is False
        validated = client.post("/v1/contracts/validate", content=text.encode(), headers=headers).json()
        assert validated == {"ok": True, "dataset": dataset, "faults": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (b'{"dataset":"d","dataset":"d"}', 400, "DUPLICATE_MEMBER_NAME"),
        (b"[]", 422, "INVALID_CONTRACT"),
        (b"null", 422, "INVALID_CONTRACT"),
        (b"{}", 422, "INVALID_CONTRACT"),
        (b'{"dataset":"d","columns":{"a":{"max":0.12345678901234567890}}}', 422, "INVALID_CONTRACT"),
        (b'{"dataset":"d","columns":{"a":{"description":"\\u0000"}}}', 422, "INVALID_CONTRACT"),
        (b'{"apiVersion":"v3.0.2","schema":7}', 422, "INVALID_CONTRACT"),
        (b'{"dataset":"other","columns":{"a":{}}}', 422, "INVALID_CONTRACT"),
        (b'{"dataset":"d","columns":{"a":{}},"surprise":1}', 422, "INVALID_CONTRACT"),
        (b"\xff\xfe", 422, "INVALID_PARAMETER"),
    ],
)
def test_what_is_no_contract(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    headers = {"content-type": "application/json"}
    problem = refused(client.put("/v1/datasets/d/contract", content=body, headers=headers), status, code)
    assert code != "INVALID_CONTRACT" or problem["details"]
    refused(
        client.put("/v1/datasets/d/contract", content=b"a: [", headers={"content-type": "text/yaml"}),
        422,
        "INVALID_CONTRACT",
    )
    assert client.get("/v1/datasets").json()["items"] == []


@pytest.mark.parametrize(
    ("members", "path"),
    [
        (
            {"columns": {f"c{at}": {} for at in range(40)}, "primary_key": [f"c{at}" for at in range(40)]},
            "/primary_key",
        ),
        ({"columns": {"a": {}}, "primary_key": ["a", "a"]}, "/primary_key"),
        ({"columns": {"a": {"type": "integer", "max": "1e30"}}}, "/columns/a/max"),
        ({"columns": {"a": {"type": "number", "max": 10**400}}}, "/columns/a/max"),
        ({"columns": {"a": {"pattern": "x{99999999999}"}}}, "/columns/a/pattern"),
        ({"columns": {"a": {"pattern": ".{1,20000}"}}}, "/columns/a/pattern"),
        ({"columns": {"a": {"type": "date", "format": "%F %p"}}}, "/columns/a/format"),
        ({"columns": {"a": {"description": "a\0b"}}}, "/columns/a/description"),
        (
            {"columns": {"a": {}}, "kind": "events", "events": EVENTS["events"] | {"group_by": ["a", "a"]}},
            "/events/group_by",
        ),
    ],
)
def test_no_contract_is_too_much(client: httpx.Client, dataset: str, members: dict[str, Any], path: str) -> None:
    """Put or only looked at, as JSON or as YAML: what is wrong is told with its place."""
    members |= {"dataset": dataset}
    problem = refused(put(client, members), 422, "INVALID_CONTRACT")
    assert path in {fault["path"] for fault in problem["details"]}
    found = client.post("/v1/contracts/validate", json=members).json()
    assert path in {fault["path"] for fault in found["faults"]}
    headers = {"content-type": "application/yaml"}
    answer = client.post("/v1/contracts/validate", content=yaml.safe_dump(members).encode(), headers=headers)
    assert (answer.status_code, answer.json()["ok"]) == (200, False)


def test_numbers_and_names_that_are_taken(client: httpx.Client, dataset: str) -> None:
    columns = {"xmin": {"type": "number", "min": 1e-7}, "xmax": {"type": "integer", "max": 2**63 - 1}}
    answer = put(client, {"dataset": dataset, "columns": columns, "primary_key": ["xmin"]})
    assert answer.status_code == 200, answer.text
    assert client.get(f"/v1/datasets/{dataset}/curated/sample").json()["rows"] == []


def test_yaml_that_is_not_said_to_be_yaml(client: httpx.Client) -> None:
    answer = client.put("/v1/datasets/d/contract", content=b"dataset: d\ncolumns: {a: {}}\n")
    assert "Content-Type: application/yaml" in refused(answer, 400, "INVALID_JSON")["detail"]


def test_every_fault_is_named(client: httpx.Client) -> None:
    wrong = {"dataset": "d", "columns": {"a": {"type": "money"}, "b": {"pattern": "("}}}
    found = client.post("/v1/contracts/validate", json=wrong).json()
    assert (found["ok"], [fault["path"] for fault in found["faults"]]) == (
        False,
        ["/columns/a/type", "/columns/b/pattern"],
    )
    alike = {"dataset": "d", "columns": {"Größe": {}, "Große": {}, "Tenant ID": {}}}
    found = client.post("/v1/contracts/validate", json=alike).json()
    assert [fault["path"] for fault in found["faults"]] == ["/columns/Große"]


def test_a_table_of_other_types_is_a_clash(api: Api, client: httpx.Client, dataset: str) -> None:
    put(client, contract(dataset))
    with api.client(api.new_key(tenants=[f"{dataset}-too"], scopes=["read", "admin"])) as other:
        clash = contract(dataset, columns=COLUMNS | {"qty": {"type": "string"}})
        refused(put(other, clash), 409, "CURATED_CLASH")
        refused(put(other, contract(dataset, primary_key=["qty"])), 409, "CURATED_CLASH")
        refused(other.get(f"/v1/datasets/{dataset}/contract"), 404, "NOT_FOUND")
        assert put(other, contract(dataset, columns=COLUMNS | {"Tenant ID": {}})).status_code == 200
    refused(put(client, contract(dataset, columns=COLUMNS | {"qty": {"type": "string"}})), 409, "CURATED_CLASH")
    assert client.get(f"/v1/datasets/{dataset}/contract").json()["version"] == 1


def test_a_sample_of_a_table(api: Api, client: httpx.Client, tenant: str, dataset: str) -> None:
    put(client, contract(dataset))
    address = f"/v1/datasets/{dataset}/curated/sample"
    assert client.get(address).json() == {"dataset": dataset, "rows": []}
    values = "now(), decode('00', 'hex'), 2"
    for whose in (tenant, "somebody"):
        rows(
            api.database,
            f"INSERT INTO files.curated_{dataset} VALUES (%s, 'A', 3, 1.50, gen_random_uuid(), {values})",
            [whose],
        )
    (row,) = client.get(address).json()["rows"]
    assert (row["sku"], row["qty"], row["price"], row["_row_number"]) == ("A", 3, "1.50", 2)
    refused(client.get("/v1/datasets/nothing/curated/sample"), 404, "NOT_FOUND")
    assert put(client, EVENTS).status_code == 200
    refused(client.get(f"/v1/datasets/{EVENTS['dataset']}/curated/sample"), 404, "NOT_FOUND")


def test_a_sample_of_a_table_that_was_dropped(api: Api, client: httpx.Client, dataset: str) -> None:
    """By the owner of the database, who may."""
    put(client, contract(dataset))
    address = f"/v1/datasets/{dataset}/curated/sample"
    rows(api.database, f"DROP TABLE files.curated_{dataset}")
    gone = refused(client.get(address), 404, "NOT_FOUND")
    assert "dropped by its owner: the next delivery makes it anew" in gone["detail"]
    with api.client(api.new_key(tenants=[f"{dataset}-too"], scopes=["read", "admin"])) as other:
        assert put(other, contract(dataset, columns={"sku": {"type": "string"}})).status_code == 200
        assert other.get(address).json()["rows"] == []
    lacks = refused(client.get(address), 409, "CURATED_CLASH")
    assert "lacks columns of this contract" in lacks["detail"]
    assert put(client, contract(dataset, description="The same, told anew")).status_code == 200
    assert client.get(address).json()["rows"] == []


def test_trends_and_headers(api: Api, client: httpx.Client, tenant: str, dataset: str) -> None:
    asked = {"dataset": dataset, "filename": "day.csv"}
    made = client.post("/v1/ingestions", params=asked, content=b"sku\nA\n").json()["ingestion"]
    rules = [{"column": "a", "rule": "type", "count": 2}, {"column": "b", "rule": "type", "count": 3}]
    quality = {"rules": rules, "columns": {"sku": {"nulls": 1, "null_fraction": 0.25}}}
    rows(
        api.database,
        "UPDATE files.ingestions SET quality = %s, rows_in = 4, rows_bad = 2 WHERE ingestion_id = %s",
        [orjson.dumps(quality).decode(), made["ingestion_id"]],
    )
    (trend,) = client.get(f"/v1/datasets/{dataset}/trends").json()["items"]
    assert (trend["faults"], trend["null_fractions"]) == ({"type": 5}, {"sku": 0.25})
    assert (trend["rows_in"], trend["rows_bad"], trend["ingestion_id"]) == (4, 2, made["ingestion_id"])
    rows(
        api.database,
        "INSERT INTO files.schema_history VALUES (%s, %s, decode('0a', 'hex'), '{\"sku\": \"string\"}', %s, now(), %s, now(), 1)",
        [tenant, dataset, made["ingestion_id"], made["ingestion_id"]],
    )
    (seen,) = client.get(f"/v1/datasets/{dataset}/schema_history").json()["items"]
    assert (seen["schema_hash"], seen["columns"]) == ("0a", {"sku": "string"})
    (listed,) = client.get("/v1/datasets").json()["items"]
    assert (listed["kind"], listed["contract_version"], listed["deliveries"], listed["waiting"]) == (None, None, 1, 1)


def test_pages_of_datasets(client: httpx.Client, dataset: str) -> None:
    names = [f"{dataset}_{letter}" for letter in "abc"]
    for name in names:
        put(client, contract(name))
    first = client.get("/v1/datasets", params={"limit": 2}).json()
    rest = client.get("/v1/datasets", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["dataset"] for one in first["items"] + rest["items"]] == names
    assert rest["next"] is None
