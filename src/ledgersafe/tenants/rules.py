"""API keys and what a credential may do; what the settings of tenants, stores and sources may be. Pure."""

import secrets
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any, Literal, cast, get_args

from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.members import (
    Check,
    check_object,
    identifier,
    items,
    members,
    one_of,
    or_nothing,
    repeated,
    text,
    whole_number,
    yes_or_no,
)
from ledgersafe.kernel.money import is_currency

Scope = Literal["ingest", "operate", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

SYSTEM_TENANT = "_system"
"""Whose rows belong to no tenant. Senders cannot name it: no tenant_id of theirs may begin with '_'."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Who sends a request. `actor`: as the audit log names it. `tenant_ids`: None serves all tenants."""

    actor: str
    key_id: str | None
    tenant_ids: tuple[str, ...] | None
    scopes: frozenset[Scope]

    def may_use(self, tenant_id: str) -> bool:
        """Whether it serves a tenant."""
        return self.tenant_ids is None or tenant_id in self.tenant_ids

    def only_tenant(self) -> str | None:
        """Its tenant, where it serves exactly one."""
        return self.tenant_ids[0] if self.tenant_ids is not None and len(self.tenant_ids) == 1 else None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the token is shown once and stored nowhere."""

    key_id: str
    token: str
    secret_sha256: bytes


def make_key() -> NewKey:
    """A fresh API key, `ls_<id>_<secret>`, its secret of 256 random bits."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(key_id, f"ls_{key_id}_{secret}", secret_hash(secret))


def secret_hash(secret: str) -> bytes:
    """What is stored of a secret. It is random and long, so one round of SHA-256 keeps it."""
    return sha256(secret.encode()).digest()


def split_token(token: str) -> tuple[str, str] | None:
    """(key id, secret) of a token, or None where it has not the form of one."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == "ls" and key_id and secret and token.isascii() else None


def is_expired(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a key's time is over."""
    return expires_at is not None and expires_at <= now


def unknown_scopes(scopes: Sequence[str]) -> list[str]:
    """Those that are no scopes."""
    return [scope for scope in scopes if scope not in SCOPES]


@dataclass(frozen=True, slots=True)
class TenantPart:
    """What a file says of one tenant: its settings, those of its stores and the volatile fields of its sources.

    Only what is said is there: a member that is left out stays as it is. `path`: where in the file it stands.
    """

    tenant_id: str
    path: str
    settings: dict[str, Any]
    stores: dict[str, dict[str, Any]]
    sources: dict[str, list[str]]


OF_TENANT = ""
"""Where a store is named: the tenant itself. No store is called so."""


@dataclass(frozen=True, slots=True)
class PastCurrency:
    """What was set for a store (or OF_TENANT) until an instant; None is nothing."""

    store_id: str
    until: datetime
    currency: str | None


def currency_then(
    past: Sequence[PastCurrency], came_at: datetime, store_id: str, of_store: str | None, of_tenant: str | None
) -> str | None:
    """The currency of an event of a store that names none: as it was set when the event came.

    Where nothing was set then, as it is set now: so what was held for lack of a currency can be posted once there is
    one. `past`: in the order of when; `of_store`, `of_tenant`: what is set now.
    """
    if not past:
        return of_store or of_tenant
    then = _then(past, came_at, store_id, of_store) or _then(past, came_at, OF_TENANT, of_tenant)
    return then or of_store or of_tenant


def _then(past: Sequence[PastCurrency], instant: datetime, store_id: str, now: str | None) -> str | None:
    return next((one.currency for one in past if one.store_id == store_id and one.until > instant), now)


def _currency(value: object) -> str | None:
    return None if isinstance(value, str) and is_currency(value) else "must be a currency code of ISO 4217, e.g. EUR"


def _time_zone(value: object) -> str | None:
    if isinstance(value, str) and value in _time_zones():
        return None
    return "must be a time zone of the IANA database, e.g. Europe/Berlin"


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})  # those name no place


def _tenant_id(value: object) -> str | None:
    if isinstance(value, str) and value.startswith("_"):
        return "must not begin with '_'"
    return text(value)


def _pointers(value: object) -> str | None:
    """JSON Pointers (RFC 6901) to members of an event; the whole of it is not one that may be left out."""
    if not isinstance(value, list):
        return "must be a list of JSON Pointers, e.g. [/metadata/sent_at]"
    pointers = cast("list[object]", value)
    wrong = [one for one in pointers if not (isinstance(one, str) and one.startswith("/") and identifier(one) is None)]
    return f"{wrong[0]!r} is no JSON Pointer, e.g. /metadata/sent_at" if wrong else None


def _anything(value: object) -> str | None:
    """Looked at item by item."""
    del value
    return None


_HOUR = whole_number(0, 23)
_LONGEST_WINDOW = 36_500
TENANT_SETTINGS: dict[str, Check] = {
    "currency": or_nothing(_currency),
    "time_zone": _time_zone,
    "day_starts_at": _HOUR,
    "unreferenced_returns": one_of("allow", "park"),
    "unknown_stores": one_of("allow", "park"),
    "correction_days": or_nothing(whole_number(0, _LONGEST_WINDOW)),
    "simulated": yes_or_no,
}
STORE_SETTINGS: dict[str, Check] = {
    "name": or_nothing(text),
    "country": or_nothing(text),
    "region": or_nothing(text),
    "currency": or_nothing(_currency),
    "time_zone": or_nothing(_time_zone),
    "day_starts_at": or_nothing(_HOUR),
    "is_verified": yes_or_no,
}
_IN_FILE: dict[str, Check] = {"tenant_id": _tenant_id, **TENANT_SETTINGS, "stores": _anything, "sources": _anything}
_STORE: dict[str, Check] = {"store_id": identifier, **STORE_SETTINGS}
_SOURCE: dict[str, Check] = {"source_system": identifier, "volatile_fields": _pointers}


def read_parts(tenants: object) -> tuple[list[TenantPart], list[Fault]]:
    """What a list of tenants says, or every fault of it, each with its path."""
    path = "/tenants"
    listed, faults = items(tenants, path)
    for at, item in enumerate(listed):
        where = f"{path}/{at}"
        faults += check_object(item, where, _IN_FILE, ["tenant_id"])
        faults += _check_list(item, where, "stores", "store_id", _STORE)
        faults += _check_list(item, where, "sources", "source_system", _SOURCE)
    faults += repeated(members(listed, path, "tenant_id"), "tenant")
    return ([], faults) if faults else ([_part(item, f"{path}/{at}") for at, item in enumerate(listed)], [])


def _check_list(holder: object, path: str, name: str, id_name: str, checks: dict[str, Check]) -> list[Fault]:
    """The faults of the list that an object has by a name, if it has."""
    if not isinstance(holder, dict) or name not in holder:
        return []
    listed, faults = items(cast("dict[str, object]", holder)[name], f"{path}/{name}")
    needed = checks if name == "sources" else [id_name]
    for at, item in enumerate(listed):
        faults += check_object(item, f"{path}/{name}/{at}", checks, needed)
    return faults + list(repeated(members(listed, f"{path}/{name}", id_name), id_name.partition("_")[0]))


def _part(item: dict[str, Any], path: str) -> TenantPart:
    settings = {name: value for name, value in item.items() if name in TENANT_SETTINGS}
    stores = {
        store["store_id"]: {name: value for name, value in store.items() if name != "store_id"}
        for store in item.get("stores", ())
    }
    sources = {source["source_system"]: source["volatile_fields"] for source in item.get("sources", ())}
    return TenantPart(item["tenant_id"], path, settings, stores, sources)
