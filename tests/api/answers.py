"""What answers look like, for tests of the API."""

from collections.abc import Sequence
from typing import Any

import httpx
import psycopg

from tests.conftest import TestDatabase


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem+json (RFC 9457) that a refusal must be."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem = response.json()
    assert problem["reason_code"] == code, problem
    assert problem["status"] == status
    assert problem["type"] == f"urn:ledgersafe:reason:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status == 503:
        assert int(response.headers["retry-after"]) > 0
    return problem


def told(response: httpx.Response) -> tuple[int, str, str | None]:
    """(status, result, reason code) of the native door."""
    body = response.json()
    return response.status_code, body.get("result"), body["reason_code"]


def items(response: httpx.Response) -> list[tuple[int, str, str | None]]:
    """(status, result, reason code) of every item of a batch, which come in order."""
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [item["index"] for item in results] == list(range(len(results)))
    return [(item["status"], item["result"], item["reason_code"]) for item in results]


def rows(of: TestDatabase, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What a superuser reads, or does."""
    with psycopg.connect(of.superuser_url, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []
