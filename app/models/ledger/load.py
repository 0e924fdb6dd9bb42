"""Load the rows that a group's commands need: a handful of SELECTs, however many commands there are."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.models.dialect import among
from app.models.fields import load_json
from app.models.ledger.commands import Needs
from app.models.ledger.group import Group
from app.models.ledger.rows import ENDPOINT_COLUMNS
from app.models.operation import OPERATION_COLUMNS

_ENDPOINT_COLUMNS: Final = ", ".join(f"e.{column}" for column in ENDPOINT_COLUMNS)
_OPERATION_COLUMNS: Final = ", ".join(f"o.{column}" for column in OPERATION_COLUMNS)
_ENDPOINT: Final = f"SELECT {_ENDPOINT_COLUMNS} FROM endpoint e WHERE "
_OPERATION: Final = f"SELECT {_OPERATION_COLUMNS} FROM operation o WHERE "
_BOTH: Final = (
    f"SELECT {_OPERATION_COLUMNS}, {_ENDPOINT_COLUMNS} FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE "
)

MANY: Final = 250
"""More operations than the calls that end together come from a cancellation by filter, many of them of the same
endpoint: then endpoints are read once, in a statement of their own."""


async def load(group: Group, needs: Needs) -> None:
    """Load everything that ``needs`` names into the group's working set."""
    few = len(needs.operation_seqs) <= MANY
    await load_operations(group, "o.seq", needs.operation_seqs, "bigint", with_endpoints=few)
    await load_operations(group, "o.id", needs.operation_ids, "uuid")
    await load_operations(group, "o.request_id", needs.request_ids, "text")
    owners = {operation.endpoint_id for operation in group.operations.values()}
    await load_endpoints(group, needs.endpoint_ids | owners)
    await _load_names(group, needs.endpoint_names)
    await _load_queues(group, needs)
    await load_held(group)
    await _load_receipts(group, needs)


async def load_endpoints(group: Group, ids: Iterable[int]) -> None:
    missing = set(ids) - group.endpoints.keys()
    if missing:
        where = among("e.id", "$1", "bigint")
        group.take_endpoints(await group.store.fetch(_ENDPOINT + where, list(missing)))


async def load_operations(
    group: Group, column: str, keys: Iterable[Any], type_: str, *, with_endpoints: bool = False
) -> None:
    """Load operations by one of their keys. Their endpoints must also be loaded before they can be moved: in the same
    statement, or all at once afterwards."""
    wanted = set(keys)
    if not wanted:
        return
    where = among(column, "$1", type_)
    rows = await group.store.fetch((_BOTH if with_endpoints else _OPERATION) + where, list(wanted))
    if with_endpoints:
        group.take_endpoints([row[len(OPERATION_COLUMNS) :] for row in rows])
        rows = [row[: len(OPERATION_COLUMNS)] for row in rows]
    group.take_operations(rows)


async def _load_names(group: Group, names: set[str]) -> None:
    missing = names - group.names.keys()
    if missing:
        where = "e.server_id = $2 AND " + among("e.name", "$1", "text")
        rows = await group.store.fetch(_ENDPOINT + where, list(missing), group.server.id)
        group.take_endpoints(rows)


async def _load_queues(group: Group, needs: Needs) -> None:
    """Load operations that a new one may conflict with: same idempotency key, same path to be superseded, retries of
    the same operation."""
    ids = [endpoint.id for endpoint in group.endpoints.values()]
    if needs.idempotency_keys:
        where = f"{among('o.endpoint_id', '$1', 'bigint')} AND {among('o.idempotency_key', '$2', 'text')}"
        keys = list(needs.idempotency_keys)
        group.take_operations(await group.store.fetch(_OPERATION + where, ids, keys))
    if needs.superseded_paths:
        where = (
            f"{among('o.endpoint_id', '$1', 'bigint')} AND {among('o.path', '$2', 'text')} "
            "AND o.kind = 'WRITE' AND o.status IN ('QUEUED', 'SENDING')"
        )
        paths = list(needs.superseded_paths)
        group.take_operations(await group.store.fetch(_OPERATION + where, ids, paths))
    if needs.retried_seqs:
        where = f"{among('o.retry_of', '$1', 'bigint')} AND o.status IN ('QUEUED', 'SENDING')"
        group.take_operations(await group.store.fetch(_OPERATION + where, list(needs.retried_seqs)))


async def load_held(group: Group) -> None:
    """Load the delayed operations of loaded endpoints: a wake or a lost registration decides their fate."""
    held = [e.lease_operation for e in group.endpoints.values() if e.lease_operation and not e.call_open]
    await load_operations(group, "o.seq", set(held) - group.operations.keys(), "bigint")


async def _load_receipts(group: Group, needs: Needs) -> None:
    fetch = group.store.fetch
    if needs.request_ids:
        sql = f"SELECT request_id, outcome FROM early_response WHERE {among('request_id', '$1', 'text')}"
        rows = await fetch(sql, list(needs.request_ids))
        group.early.update({row["request_id"]: load_json(row["outcome"]) for row in rows})
    if needs.delivery_ids:
        sql = f"SELECT id FROM webhook_delivery WHERE {among('id', '$1', 'text')}"
        group.delivered.update(row["id"] for row in await fetch(sql, list(needs.delivery_ids)))
