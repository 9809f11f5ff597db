"""The judge: holds what the clients wrote down against the tables, past every right and every cache of the product.

Each check of the tables is a query for what must not be there; it returns (tenant, what). test_judge.py plants a
violation of each. Those of silver, the ledger and gold are in judge_books.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import httpx
import psycopg

from tests.attack.clients import Log, Told
from tests.attack.judge_books import BOOKS_CHECKS, GOLD_CHECKS
from tests.attack.traffic import Event
from tests.conftest import Api, TestDatabase

_COUNTED = {
    "events_raw": "SELECT tenant_id, count(*) AS n FROM bronze.events_raw GROUP BY 1",
    "processed": "SELECT tenant_id, count(*) AS n FROM gate.events_processed WHERE status = 'processed' GROUP BY 1",
    "quarantined": "SELECT tenant_id, count(*) AS n FROM gate.events_processed WHERE status = 'quarantined' GROUP BY 1",
    "ignored": "SELECT tenant_id, count(*) AS n FROM gate.events_processed WHERE status = 'ignored' GROUP BY 1",
    "exceptions_open": "SELECT tenant_id, count(*) AS n FROM quarantine.exceptions WHERE status = 'open' GROUP BY 1",
}
_COUNTER = """
SELECT tenant_id, format('counted %s, there are %s', coalesce(c.n, 0), coalesce(r.n, 0)) AS what
FROM (SELECT tenant_id, sum({name}) AS n FROM gate.counters GROUP BY 1) AS c FULL JOIN ({real}) AS r USING (tenant_id)
WHERE coalesce(c.n, 0) <> coalesce(r.n, 0)
"""
_ACCEPTED = "('accepted', 'patched-accepted')"

TABLE_CHECKS: dict[str, str] = {
    f"counter of {name}": _COUNTER.format(name=name, real=_COUNTED[name]) for name in _COUNTED
} | {
    "the hash of an arrival is that of its bytes": """
        SELECT tenant_id, event_id AS what FROM bronze.events_raw WHERE body_sha256 <> sha256(body)""",
    "every key that arrived has one state": """
        SELECT tenant_id, event_id AS what FROM (SELECT DISTINCT tenant_id, event_id FROM bronze.events_raw) AS b
        LEFT JOIN (SELECT tenant_id, idempotency_key AS event_id, 1 AS there FROM gate.events_processed) AS k
        USING (tenant_id, event_id) GROUP BY tenant_id, event_id HAVING count(there) <> 1""",
    "a key counts its arrivals": """
        SELECT tenant_id, idempotency_key || format(': %s, there are %s', arrivals, n) AS what
        FROM gate.events_processed AS k LEFT JOIN (
          SELECT tenant_id, event_id AS idempotency_key, count(*) AS n FROM bronze.events_raw GROUP BY 1, 2
        ) AS b USING (tenant_id, idempotency_key) WHERE arrivals <> coalesce(n, 0)""",
    "every arrival is a key's first or a later one": """
        SELECT tenant_id, raw_id::text AS what FROM bronze.events_raw AS b FULL JOIN (
          SELECT tenant_id, first_raw_id AS raw_id, idempotency_key AS event_id FROM gate.events_processed
          UNION ALL SELECT tenant_id, raw_id, idempotency_key FROM gate.later_arrivals
        ) AS k USING (tenant_id, raw_id, event_id)
        GROUP BY tenant_id, raw_id HAVING count(b.tenant_id) <> 1 OR count(k.tenant_id) <> 1""",
    "every arrival is in one batch": """
        SELECT tenant_id, raw_id::text AS what FROM bronze.events_raw AS b FULL JOIN (
          SELECT tenant_id, unnest(ids) AS raw_id FROM bronze.batches) AS i USING (tenant_id, raw_id)
        GROUP BY tenant_id, raw_id HAVING count(b.tenant_id) <> 1 OR count(i.tenant_id) <> 1""",
    "every exception was opened in the audit log, once": """
        SELECT tenant_id, object_id AS what FROM (
          SELECT tenant_id, object_id, count(*) AS n FROM audit.audit_log WHERE action = 'exception.opened' GROUP BY 1, 2
        ) AS a FULL JOIN (
          SELECT tenant_id, exception_id::text AS object_id, 1 AS there FROM quarantine.exceptions
        ) AS e USING (tenant_id, object_id) WHERE n IS DISTINCT FROM 1 OR there IS NULL""",
    "every decision is in the audit log, once": """
        SELECT tenant_id, object_id AS what FROM (
          SELECT tenant_id, object_id, count(*) AS n FROM audit.audit_log WHERE action = 'exception.resolved' GROUP BY 1, 2
        ) AS a FULL JOIN (
          SELECT tenant_id, exception_id::text AS object_id, 1 AS there FROM quarantine.exceptions
          WHERE status = 'resolved'
        ) AS e USING (tenant_id, object_id) WHERE n IS DISTINCT FROM 1 OR there IS NULL""",
    "one open exception a held key, none of the others": """
        SELECT tenant_id, idempotency_key || ' is ' || status AS what FROM gate.events_processed AS k
        LEFT JOIN (
          SELECT tenant_id, idempotency_key, count(*) AS n FROM quarantine.exceptions WHERE status = 'open' GROUP BY 1, 2
        ) AS e USING (tenant_id, idempotency_key) WHERE coalesce(n, 0) <> (status = 'quarantined')::int""",
    "a key's state follows from what was decided of its payloads": f"""
        SELECT tenant_id, idempotency_key || ' is ' || status AS what FROM gate.events_processed
        JOIN gate.payloads AS p USING (tenant_id, idempotency_key) GROUP BY tenant_id, idempotency_key, status
        HAVING count(*) FILTER (WHERE p.decision IN {_ACCEPTED}) > 1
            OR (status = 'processed') <> (bool_or(p.decision IN {_ACCEPTED}) AND NOT bool_or(p.decision = 'open'))
            OR (status = 'quarantined') <> bool_or(p.decision = 'open')
            OR (status = 'ignored') <> bool_and(p.decision = 'ignored')""",
    "every payload that arrived is known, and no other": """
        SELECT tenant_id, key AS what FROM (
          SELECT DISTINCT tenant_id, event_id AS key, payload_hash AS fingerprint FROM bronze.events_raw) AS b
        FULL JOIN (SELECT tenant_id, idempotency_key AS key, fingerprint FROM gate.payloads) AS p
        USING (tenant_id, key, fingerprint)
        GROUP BY tenant_id, key, fingerprint HAVING count(*) <> 1 OR count(b.tenant_id) <> 1 OR count(p.tenant_id) <> 1""",
    "what counts waits to be posted or is posted, and nothing else waits": f"""
        SELECT tenant_id, idempotency_key AS what FROM (
          SELECT tenant_id, idempotency_key, raw_id, 1 AS counts FROM gate.payloads WHERE decision IN {_ACCEPTED}) AS p
        FULL JOIN (SELECT tenant_id, idempotency_key, raw_id, 1 AS waits FROM gate.to_post) AS t
        USING (tenant_id, idempotency_key, raw_id)
        LEFT JOIN gate.events_processed AS k USING (tenant_id, idempotency_key)
        WHERE counts IS NULL OR (waits IS NULL AND posted_at IS NULL)""",
}


def faults(of: TestDatabase, log: Log, *, caught_up: bool = False) -> list[str]:
    """Everything that is wrong, in words: of the log alone, of the log against the tables, of the tables.

    `caught_up`: a worker has posted and refreshed all there was, so that gold must say what silver says.
    """
    with psycopg.connect(of.superuser_url, autocommit=True) as connection:
        tables = faults_of_tables(connection, caught_up=caught_up)
        return [*faults_of(connection, log.told), *_of_log(log), *_against_bronze(connection, log), *tables]


def faults_of_tables(connection: psycopg.Connection, *, caught_up: bool) -> list[str]:
    """What is wrong in the tables alone, in words."""
    names = [*TABLE_CHECKS, *BOOKS_CHECKS, *(GOLD_CHECKS if caught_up else ())]
    return [f"{name}: {tenant} {what}" for name in names for tenant, what in broken(connection, name)]


def recent_faults(of: TestDatabase, log: Log, since: int) -> list[str]:
    """The cheap part: whether what was acknowledged since is there, as it was acknowledged."""
    with psycopg.connect(of.superuser_url, autocommit=True) as connection:
        recent = replace(log, told=log.told[since:])
        return [*faults_of(connection, recent.told), *_of_log(recent)]


def faults_of_api(api: Api, tenants: Iterable[str]) -> list[str]:
    """Whether the product itself says that all is well, and counts what is there: no tenant without an event."""
    found: list[str] = []
    with api.client() as client, psycopg.connect(api.database.superuser_url, autocommit=True) as connection:
        counted = {of["tenant_id"]: of for of in _answer(client, "/v1/health")["tenants"]}
        for tenant in tenants:
            verified = _answer(client, "/v1/verify", tenant_id=tenant)
            if verified["ok"] is not True:
                found.append(f"verify: {verified}")
            counts = counted.get(tenant, {"idempotency": dict.fromkeys(_COUNTED, 0)})
            shown = {**counts["idempotency"], **counts}
            for name, sql in _COUNTED.items():
                real = dict(connection.execute(sql).fetchall()).get(tenant, 0)
                if shown[name] != real:
                    found.append(f"/v1/health of {tenant} says {shown[name]} {name}, there are {real}")
    return found


def _answer(client: httpx.Client, path: str, **parameters: str) -> Any:
    """The answer to a GET, asked for again where it is a 503, as its Retry-After says: Postgres was just killed."""
    for _ in range(20):
        answer = client.get(path, params=parameters)
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    assert answer.status_code == 200, f"{path} {parameters}: {answer.status_code} {answer.text}"
    return answer.json()


def broken(connection: psycopg.Connection, name: str) -> list[tuple[str, str]]:
    """What one check of the tables finds: (tenant, what), the first few."""
    sql = (TABLE_CHECKS | BOOKS_CHECKS | GOLD_CHECKS)[name]
    return connection.execute(f"{sql} LIMIT 5".encode()).fetchall()


def faults_of(connection: psycopg.Connection, told: Sequence[Told]) -> list[str]:
    """Each acknowledged arrival is kept with exactly its bytes, and its key has a state."""
    kept = _by_raw_id(connection, [one.raw_id for one in told])
    found: list[str] = []
    for one in told:
        row = kept.get(one.raw_id)
        if row is None:
            found.append(f"acknowledged and not kept: {one}")
        elif row[:3] != (one.tenant, one.event_id, one.body):
            found.append(f"kept otherwise than acknowledged: {one} as {row}")
        elif row[3] != hashlib.sha256(one.body).digest():
            found.append(f"kept with another hash: {one}")
        elif row[4] is None:
            found.append(f"its key has no state: {one}")
    return found + _missing_exceptions(connection, told)


def _by_raw_id(connection: psycopg.Connection, raw_ids: list[str]) -> dict[str, tuple[Any, ...]]:
    sql = """
    SELECT b.raw_id::text, b.tenant_id, b.event_id, b.body, b.body_sha256, k.status FROM bronze.events_raw AS b
    LEFT JOIN gate.events_processed AS k ON k.tenant_id = b.tenant_id AND k.idempotency_key = b.event_id
    WHERE b.raw_id = ANY(%s::uuid[])
    """
    return {raw_id: tuple(row) for raw_id, *row in connection.execute(sql, [raw_ids]).fetchall()}


def _missing_exceptions(connection: psycopg.Connection, told: Sequence[Told]) -> list[str]:
    named = {one.exception_id for one in told if one.exception_id is not None}
    sql = "SELECT exception_id::text FROM quarantine.exceptions WHERE exception_id = ANY(%s::uuid[])"
    there = {row[0] for row in connection.execute(sql, [list(named)]).fetchall()}
    return [f"an exception was named that is not there: {one}" for one in named - there]


def _of_log(log: Log) -> list[str]:
    """What no client may be told, whatever the tables hold."""
    found = [f"an answer that no client should get: {odd}" for odd in log.odd]
    processed = Counter((one.tenant, one.event_id) for one in log.told if one.status == 201)
    found += [f"processed {times} times: {key}" for key, times in processed.items() if times > 1]
    raw_ids = Counter(one.raw_id for one in log.told)
    found += [f"one raw_id for {times} arrivals: {one}" for one, times in raw_ids.items() if times > 1]
    found += [
        f"held without an exception: {one}"
        for one in log.told
        if (one.result == "quarantined") != (one.exception_id is not None)
    ]
    return found


def _against_bronze(connection: psycopg.Connection, log: Log) -> list[str]:
    """bronze holds what was acknowledged and perhaps more, but nothing that no client sent; so do the rejected."""
    sql = "SELECT tenant_id, event_id, body, count(*) FROM bronze.events_raw GROUP BY 1, 2, 3"
    kept = {Event(*row[:3]): row[3] for row in connection.execute(sql).fetchall()}
    told = Counter(Event(one.tenant, one.event_id, one.body) for one in log.told)
    found = [
        f"kept {kept.get(event, 0)} times, acknowledged {told[event]}, sent {log.sent[event]}: {event}"
        for event in kept.keys() | told.keys()
        if not told[event] <= kept.get(event, 0) <= log.sent[event]
    ]
    rejected = dict(connection.execute("SELECT body, count(*) FROM bronze.rejected GROUP BY 1").fetchall())
    for event, times in log.refused.items():
        if not times <= rejected.get(event.body, 0) <= log.sent[event]:
            found.append(f"refused {times} times, kept {rejected.get(event.body, 0)}: {event}")
    return found
