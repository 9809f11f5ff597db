"""What one tenant has and another must never learn or change, and the requests with which it may be tried."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import httpx
import msgspec
import psycopg

from ledgersafe.ledger.rules import default_chart
from ledgersafe.tenants.rules import SYSTEM_TENANT
from tests.api.answers import rows
from tests.attack.hostile_things import IGNORE, STOCK, Belongings
from tests.conftest import Api, TestDatabase
from tests.contracts.test_doors import SCOUT_EXAMPLE
from tests.events import sale

NOTES = {"notes": "tried"}
CHART = [msgspec.structs.asdict(one) for one in default_chart()]
CONTRACT = {"dataset": STOCK, "description": "tried", "columns": {"sku": {"type": "string"}}, "primary_key": ["sku"]}
KEEP_THEIR_QUERY = {"post /v1/ingestions", "put /v1/datasets/{dataset}/contract"}
"""What is said in their query is stored as the sender's own, and comes back."""
REPLAY = {"action": "override_and_replay", "resolution_notes": "tried", "canonical_raw_id": "first"}


def bodies(tenant: str) -> dict[str, list[Any]]:
    """For every operation that takes a body, some that work. A new operation needs a line here."""
    return {
        "post /v1/events": [sale(tenant, "tried")],
        "post /v1/events:batch": [[sale(tenant, "tried"), sale(tenant, "tried-too")]],
        "post /functions/v1/ingest-transaction": [SCOUT_EXAMPLE],
        "post /v1/exceptions/{exception_id}/assign": [{"assigned_to": "eve"}],
        "post /v1/exceptions/{exception_id}/resolve": [IGNORE, IGNORE | {"dry_run": True}, REPLAY],
        "post /v1/exceptions:resolve": [
            IGNORE | {"filter": {"tenant_id": tenant, "text": "nothing"}, "dry_run": is_dry} for is_dry in (True, False)
        ],
        "post /v1/ingestions": [[{"sku": "tried"}]],
        "post /v1/ingestions/from_path": [{"path": "/tried/day.csv", "dataset": STOCK, "source": "tried"}],
        "post /v1/ingestions/{ingestion_id}/replay": [NOTES],
        "put /v1/datasets/{dataset}/contract": [CONTRACT],
        "post /v1/contracts/validate": [CONTRACT],
        "post /v1/ingestions/{ingestion_id}/bad_rows/replay": [
            NOTES | {"rows": [{"row_number": 2, "patch": {"Left": "1"}}]}
        ],
        "post /v1/ingestions/{ingestion_id}/bad_rows/ignore": [NOTES | {"row_numbers": [3]}],
        "post /v1/ledger/periods/{period}/close": [NOTES],
        "post /v1/ledger/periods/{period}/reopen": [NOTES],
        "put /v1/ledger/chart": [{"accounts": CHART}],
        "patch /v1/tenants/{tenant_id}": [{"currency": "EUR", "time_zone": "Asia/Tokyo"}],
        "post /v1/tenants:import": [{"tenants": [{"tenant_id": tenant, "stores": [{"store_id": "tried"}]}]}],
        "put /v1/stores/{store_id}": [{"name": "tried", "region": "tried"}],
        "post /v1/stores:verify": [{"store_ids": ["tried"]}],
        "post /v1/webhooks": [{"url": "https://example.invalid/tried", "kinds": ["exception.opened"]}],
        "post /v1/jobs/{job_name}/pause": [NOTES],
        "post /v1/jobs/{job_name}/resume": [NOTES],
        "post /v1/jobs/{job_name}/run": [NOTES],
        "post /v1/ledger/exports": [{"notes": "tried"}, {"as_of": "2026-02-25"}],
        "post /v1/ledger/exports/{number}/void": [{"reason": "tried"}],
        "post /v1/rejected/{rejected_id}/redact": [NOTES],
        "post /v1/arrivals/{raw_id}/redact": [NOTES | {"even_if_not_posted": True}],
        "post /v1/keys": [{"label": "eve", "scopes": ["read"], "tenant_ids": [tenant]}],
        "post /v1/keys/{key_id}/rotate": [{"overlap_seconds": 0}],
    }


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document: what its path, query and headers may name, and whether it takes a body."""

    method: str
    path: str
    in_path: list[str]
    in_query: list[str]
    in_header: list[str]
    takes_body: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI document."""

    def named(operation: dict[str, Any], place: str) -> list[str]:
        return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == place]

    return [
        Operation(method, path, *(named(of, place) for place in ("path", "query", "header")), "requestBody" in of)
        for path, methods in document["paths"].items()
        for method, of in methods.items()
    ]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request."""

    operation: Operation
    path: dict[str, str]
    query: dict[str, str] = field(default_factory=dict[str, str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None

    def sent(self) -> str:
        """All that the sender says, so that an echo of it is not taken for news."""
        return unquote(json.dumps([self.path, self.query, self.headers, self.body], ensure_ascii=False))

    def kept(self) -> str:
        """What of it may be kept as the sender's own, and come back later."""
        is_kept = str(self.operation) in KEEP_THEIR_QUERY
        query = [value for name, value in self.query.items() if is_kept and name != "tenant_id"]
        return json.dumps([self.headers, self.body, query], ensure_ascii=False)

    def send(self, client: httpx.Client) -> httpx.Response:
        address = self.operation.path
        for name, value in self.path.items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        headers = {name: quote(value, safe="") for name, value in self.headers.items()}
        headers |= {} if self.body is None else {"content-type": "application/json"}
        content = None if self.body is None else json.dumps(self.body).encode()
        return client.request(self.operation.method, address, params=self.query, headers=headers, content=content)


class Victim:
    """Whose things are tried: what must not be learnt of them, and whether they are as they were.

    `decoys`: the few ids that are put into what an intruder has stored, and that it may therefore read back.
    """

    def __init__(self, of: TestDatabase, has: Belongings) -> None:
        self.of, self.has = of, has
        self.secrets = self._secrets() | {has.tenant}
        self.decoys = [things[0] for things in has.by_name.values()]
        self._was = self._state()

    def learnt(self, attempt: Attempt, response: httpx.Response) -> list[str]:
        """What an answer says of the victim that the sender had not said itself."""
        said, kept, text = attempt.sent(), attempt.kept(), response.text
        assert not any(secret in kept for secret in self.secrets.difference(self.decoys)), "not put there to be kept"
        return [secret for secret in self.secrets.difference(self.decoys) if secret in text and secret not in said]

    def changed(self) -> list[str]:
        """The tables in which a row of the victim changed, came or went. To what is nobody's, anybody may add."""
        now, may_grow = self._state(), self.has.tenant == SYSTEM_TENANT
        return [table for table, was in self._was.items() if not (was <= now[table] if may_grow else was == now[table])]

    def _tables(self) -> Iterator[tuple[str, str]]:
        found = rows(
            self.of,
            "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns "
            "JOIN information_schema.tables USING (table_schema, table_name) "
            "WHERE column_name IN ('tenant_id', 'tenant_ids') AND table_type = 'BASE TABLE' ORDER BY 1, 2",
        )
        assert len(found) > 12, found
        for table, column in found:
            yield table, "tenant_id = %s" if column == "tenant_id" else "%s = ANY (coalesce(tenant_ids, '{_system}'))"

    def _theirs(self, what: str) -> Iterator[tuple[str, list[tuple[Any]]]]:
        """Of every table: this of each of the victim's rows (`t`). Over one connection: there are many tables."""
        with psycopg.connect(self.of.superuser_url, autocommit=True) as connection:
            for table, is_theirs in self._tables():
                sql = f"SELECT {what} FROM {table} t WHERE {is_theirs}"
                yield table, connection.execute(sql, [self.has.tenant]).fetchall()

    def _state(self) -> dict[str, set[str]]:
        """Every row by table; when a key was last used is no part of it."""
        found = self._theirs("(to_jsonb(t) - 'last_used_at')::text")
        return {table: {row for (row,) in rows_of_it} for table, rows_of_it in found}

    def _secrets(self) -> set[str]:
        """Every id of the victim's rows, and every text that it chose."""
        found = set(self.has.all())
        for _, rows_of_it in self._theirs("to_jsonb(t)"):
            for (row,) in rows_of_it:
                found |= {value for value in row.values() if isinstance(value, str) and _tells_something(value)}
        return found


def _tells_something(text: str) -> bool:
    """Whether a text is the victim's alone: an id, or one with its mark."""
    return "victim" in text or (len(text) == 36 and text.count("-") == 4)


def tenants_named(value: Any) -> Iterator[str]:
    """Every tenant that an answer names as somebody's."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "tenant_id" and isinstance(member, str):
                yield member
            elif name == "tenant_ids":
                yield from member or ["everybody"]
            else:
                yield from tenants_named(member)
    elif isinstance(value, list):
        for item in value:
            yield from tenants_named(item)


def with_each_text_replaced(value: Any, by: Sequence[str]) -> Iterator[Any]:
    """A JSON value, with one of its texts at a time replaced by each of others."""
    if isinstance(value, str):
        yield from by
    elif isinstance(value, dict):
        for name, member in value.items():
            for changed in with_each_text_replaced(member, by):
                yield value | {name: changed}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in with_each_text_replaced(item, by):
                yield [*value[:index], changed, *value[index + 1 :]]


def system_belongings(api: Api) -> Belongings:
    """What belongs to no tenant: bodies refused of a key of all tenants, and the audit rows and names of such keys."""
    has = Belongings(SYSTEM_TENANT)
    has.add("tenant_id", SYSTEM_TENANT)
    with api.client() as client:
        wish = {"label": "victim-of-all-tenants", "scopes": ["read"]}
        has.add("key_id", client.post("/v1/keys", json=wish).json()["key"]["key_id"])
        client.post("/v1/events", content=b'{"victim-body": ')
        items: list[dict[str, Any]] = []
        while not items:  # kept with the next commit
            items = client.get("/v1/rejected", params={"tenant_id": SYSTEM_TENANT}).json()["items"]
        has.add("rejected_id", items[0]["rejected_id"])
        page = client.get("/v1/audit", params={"tenant_id": SYSTEM_TENANT, "limit": 1}).json()
        has.add("object_id", page["items"][0]["object_id"])
    return has
