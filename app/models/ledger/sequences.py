"""Sequences: once an operation ends otherwise than CONFIRMED, those behind it in its sequence are canceled with it.

An operation is behind those of the same endpoint and sequence that were created before it. One that is created behind
an operation that has ended so is canceled in the same commit: otherwise it would depend on timing whether a refused
WRITE stops the reboot behind it.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import Final

from app.domain.enums import OperationStatus, ReasonCode
from app.models.ledger.group import Group
from app.models.lifecycle import STOPPING

_TOGETHER: Final = 100


MAX_QUEUED: Final = 5_000
"""Maximum of QUEUED operations of a sequence, because all are canceled in one transaction: half a second."""

_MEMBERS: Final = """
    SELECT {index} AS pair, count(*) AS queued FROM (
        SELECT seq FROM operation
        WHERE endpoint_id = ${number} AND sequence = ${after} AND status = 'QUEUED' LIMIT {most}
    ) AS members_{index}
"""


async def count_members(group: Group, sequences: Collection[tuple[str, str]]) -> None:
    """Count the QUEUED operations of sequences, each given by the name of a loaded endpoint and its own."""
    pairs = sorted((group.names[endpoint].id, name) for endpoint, name in sequences if endpoint in group.names)
    for some in (pairs[start : start + _TOGETHER] for start in range(0, len(pairs), _TOGETHER)):
        parts = (
            _MEMBERS.format(index=index, number=2 * index + 1, after=2 * index + 2, most=MAX_QUEUED)
            for index in range(len(some))
        )
        for row in await group.store.fetch(" UNION ALL ".join(parts), *chain.from_iterable(some)):
            group.members[some[row["pair"]]] = row["queued"]


def stopped_sql(number: int) -> str:
    """Return the statement of the operations that a sequence stops. Its placeholders are the endpoint's id and, as the
    next number, the name.

    Each part is one look into ``ix_operation_sequence``, whatever the planner knows of the rows: with lists of
    endpoints, names or statuses it read all operations of an endpoint, or all that are QUEUED.
    """
    members = (
        f"SELECT {{}} FROM operation WHERE endpoint_id = ${number} AND sequence = ${number + 1} AND status = '{{}}'"
    )
    ends = " UNION ALL ".join(f"SELECT ({members.format('min(seq)', status)}) AS seq" for status in sorted(STOPPING))
    return f"{members.format('seq', OperationStatus.QUEUED)} AND seq > (SELECT min(seq) FROM ({ends}) AS ends)"


async def stop_sequences(group: Group) -> None:
    """Cancel the QUEUED operations behind one that has ended otherwise than CONFIRMED, in the group's ``sequences``.

    The group's changes must have been written: ``writing.write_operations`` does both.
    """
    touched = sorted(group.sequences)
    group.sequences.clear()
    stopped: list[int] = []
    for some in (touched[start : start + _TOGETHER] for start in range(0, len(touched), _TOGETHER)):
        parts = map(stopped_sql, range(1, 2 * len(some), 2))
        rows = await group.store.fetch(" UNION ALL ".join(parts), *chain.from_iterable(some))
        stopped += sorted(row["seq"] for row in rows)
    await group.load_operations(stopped)
    for operation in map(group.operations.__getitem__, stopped):
        if operation.status is OperationStatus.QUEUED:
            group.move(operation, OperationStatus.CANCELED, ReasonCode.SEQUENCE_STOPPED)
