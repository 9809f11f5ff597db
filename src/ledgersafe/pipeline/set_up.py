"""set_up: what is set for tenants, their stores and their sources is changed, by a person, on record.

Postings follow what is set when they are made, but for the currency: that is the one of when the event came. What is
posted already stays as it is. Whoever changes anything of a tenant holds it first, tenants in the order of their ids,
so that two at once end as one after the other.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.members import check_object, identifier, refuse
from ledgersafe.kernel.reasons import FOREIGN_TENANT, INVALID_PARAMETER, NOT_FOUND
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.rules import (
    OF_TENANT,
    STORE_SETTINGS,
    TENANT_SETTINGS,
    PastCurrency,
    TenantPart,
    read_parts,
)
from ledgersafe.tenants.store import Source, StoreFilter, StoreSettings, TenantSettings

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """What changes of one thing: only the members that do. `before` is None where the thing was not there."""

    tenant_id: str
    object_type: Literal["tenant", "store", "source"]
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any]


def import_tenants(database: Database, wanted: object, by: Operator, *, dry_run: bool = False) -> list[Change]:
    """Make or change tenants, their stores and their sources, all or nothing; returns what changed.

    `wanted`: a list of tenants, as `ledgersafe tenants export` writes it. What it does not say stays as it is, but that
    a store that it names is verified unless it says otherwise. `dry_run`: only tell what would change.
    Raises RequestRefused, with every fault by its path, or for a tenant that the credential does not serve.
    """
    parts, faults = read_parts(wanted)
    refuse(faults, "The file cannot be used")
    foreign = [part for part in parts if not by.credential.may_use(part.tenant_id)]
    if foreign:
        message = f"{foreign[0].path}: this API key does not serve tenant {foreign[0].tenant_id!r}."
        raise RequestRefused(FOREIGN_TENANT, message)
    with database.transaction() as tx:
        changes: list[Change] = []
        for part in sorted(parts, key=lambda one: one.tenant_id):
            is_new = tenants.make_tenant(tx, part.tenant_id, by.now, by.credential.actor).first() is not None
            changes += _set_up(tx, part, by, is_new=is_new)
        if dry_run:
            tx.forget()
        return changes


def set_tenant(database: Database, tenant_id: str, wanted: Mapping[str, Any], by: Operator) -> TenantSettings:
    """Change settings of a tenant; what is not in `wanted` stays. Raises RequestRefused."""
    refuse(list(check_object(dict(wanted), "", TENANT_SETTINGS)), "The settings cannot be used")
    with database.transaction() as tx:
        _set_up(tx, TenantPart(tenant_id, "", dict(wanted), {}, {}), by)
        return tenants.settings(tx, [tenant_id]).one()


def set_store(
    database: Database, tenant_id: str, store_id: str, wanted: Mapping[str, Any], by: Operator
) -> StoreSettings:
    """Make a store, or change what is set for it; what is not in `wanted` stays. It is verified thereby.

    Raises RequestRefused.
    """
    faults = list(check_object(dict(wanted), "", STORE_SETTINGS))
    refuse(faults, "The settings cannot be used")
    if (message := identifier(store_id)) is not None:
        raise RequestRefused(INVALID_PARAMETER, f"The store's id {message}.")
    with database.transaction() as tx:
        _set_up(tx, TenantPart(tenant_id, "", {}, {store_id: dict(wanted)}, {}), by)
        return tenants.store_settings(tx, StoreFilter([tenant_id], [store_id])).one()


def verify_stores(database: Database, tenant_id: str, store_ids: Collection[str], by: Operator) -> list[StoreSettings]:
    """Note that a person has looked at these stores, all or none. Doing it twice is no error. Raises RequestRefused."""
    wanted = {store_id: dict(_NOTHING) for store_id in store_ids}
    with database.transaction() as tx:
        known = {row.store_id for row in tenants.store_settings(tx, StoreFilter([tenant_id], list(wanted))).all()}
        if lacking := sorted(wanted.keys() - known):
            raise RequestRefused(
                NOT_FOUND, f"There is no store {', '.join(map(repr, lacking))} of tenant {tenant_id!r}."
            )
        _set_up(tx, TenantPart(tenant_id, "", {}, wanted, {}), by)
        return tenants.store_settings(tx, StoreFilter([tenant_id], list(wanted))).all()


def tenants_page(
    database: Database, tenant_ids: Sequence[str] | None, after: str | None, most: int
) -> list[TenantSettings]:
    """One page of these tenants, as far as they exist; with None, of all."""
    with database.snapshot() as tx:
        return tenants.settings(tx, tenant_ids, after, most).all()


def tenant(database: Database, tenant_id: str) -> tuple[TenantSettings, list[Source]]:
    """All that is set for a tenant, less its stores. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        found = tenants.settings(tx, [tenant_id]).first()
        if found is None:
            raise _no_tenant(tenant_id)
        return found, tenants.sources(tx, [tenant_id]).all()


def stores_page(database: Database, chosen: StoreFilter, most: int) -> list[StoreSettings]:
    """One page of stores."""
    with database.snapshot() as tx:
        return tenants.store_settings(tx, chosen, most).all()


def export_tenants(database: Database, tenant_ids: Sequence[str] | None) -> list[dict[str, Any]]:
    """All that is set for these tenants (None: for all), as import_tenants takes it: importing it changes nothing."""
    with database.snapshot() as tx:
        found = tenants.settings(tx, tenant_ids)
        of_stores = tenants.store_settings(tx, StoreFilter(tenant_ids))
        of_sources = tenants.sources(tx, tenant_ids)
        stores: dict[str, list[Any]] = defaultdict(list)
        for row in of_stores.all():
            stores[row.tenant_id].append({"store_id": row.store_id, **_store_facts(row)})
        sources: dict[str, list[Any]] = defaultdict(list)
        for row in of_sources.all():
            sources[row.tenant_id].append({"source_system": row.source_system, "volatile_fields": row.volatile_fields})
        return [
            {"tenant_id": of, **_facts(row), "stores": stores[of], "sources": sources[of]}
            for row in found.all()
            for of in (row.tenant_id,)
        ]


def _set_up(tx: Tx, part: TenantPart, by: Operator, *, is_new: bool = False) -> list[Change]:
    """Hold the tenant, write what the part changes, and put it on record. Raises RequestRefused(NOT_FOUND)."""
    if tenants.lock_tenant(tx, part.tenant_id).first() is None:
        raise _no_tenant(part.tenant_id)
    changes = [*_tenant(tx, part, is_new=is_new), *_stores(tx, part), *_sources(tx, part)]
    if changes:
        audit.insert(tx, [_entry(change, by) for change in changes])
    if not is_new and (replaced := [one for change in changes for one in _replaced(change, by)]):
        tenants.keep_currencies(tx, part.tenant_id, replaced, by.now)
    return changes


def _replaced(change: Change, by: Operator) -> Iterator[PastCurrency]:
    """The currency that a change replaces: what came before goes by it."""
    before = None if change.before is None else change.before.get("currency")
    if change.object_type != "source" and "currency" in change.after and change.after["currency"] != before:
        store_id = change.object_id if change.object_type == "store" else OF_TENANT
        yield PastCurrency(store_id, by.now, before)


def _tenant(tx: Tx, part: TenantPart, *, is_new: bool) -> Iterator[Change]:
    before = tenants.settings(tx, [part.tenant_id]).first()
    if before is None:  # _system, which is none
        raise _no_tenant(part.tenant_id)
    after = replace(before, **part.settings)
    if is_new:
        yield Change(part.tenant_id, "tenant", part.tenant_id, None, _facts(after))
    elif before != after:
        yield Change(part.tenant_id, "tenant", part.tenant_id, *_differing(_facts(before), _facts(after)))
    if before != after:
        tenants.set_tenant(tx, after)


def _stores(tx: Tx, part: TenantPart) -> Iterator[Change]:
    if not part.stores:
        return
    chosen = StoreFilter([part.tenant_id], list(part.stores))
    known = {row.store_id: row for row in tenants.store_settings(tx, chosen).all()}
    changed: list[StoreSettings] = []
    for store_id, said in sorted(part.stores.items()):
        before = known.get(store_id)
        after = replace(before or StoreSettings(part.tenant_id, store_id), **{"is_verified": True, **said})
        if before is None:
            yield Change(part.tenant_id, "store", store_id, None, _store_facts(after))
        elif before != after:
            yield Change(part.tenant_id, "store", store_id, *_differing(_store_facts(before), _store_facts(after)))
        if before != after:
            changed.append(after)
    if changed:
        tenants.put_stores(tx, part.tenant_id, changed)


def _sources(tx: Tx, part: TenantPart) -> Iterator[Change]:
    if not part.sources:
        return
    known = {row.source_system: row for row in tenants.sources(tx, [part.tenant_id]).all()}
    for name, fields in sorted(part.sources.items()):
        before = known.get(name)
        if before is None or before.volatile_fields != fields:
            facts = None if before is None else {"volatile_fields": before.volatile_fields}
            yield Change(part.tenant_id, "source", name, facts, {"volatile_fields": fields})
            tenants.put_source(tx, Source(part.tenant_id, name, fields))


def _facts(of: TenantSettings) -> dict[str, Any]:
    return {name: value for name, value in asdict(of).items() if name in TENANT_SETTINGS}


def _store_facts(of: StoreSettings) -> dict[str, Any]:
    return {name: value for name, value in asdict(of).items() if name in STORE_SETTINGS}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [name for name in before if before[name] != after[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _entry(change: Change, by: Operator) -> audit.Entry:
    action = f"{change.object_type}.{'created' if change.before is None else 'changed'}"
    facts = change.before, change.after
    return audit.Entry(
        change.tenant_id, by.now, by.credential.actor, action, change.object_type, change.object_id, *facts
    )


def _no_tenant(tenant_id: str) -> RequestRefused:
    return RequestRefused(NOT_FOUND, f"There is no tenant {tenant_id!r}: its first event makes it, or an import.")
