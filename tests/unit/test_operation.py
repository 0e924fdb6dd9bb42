"""The shapes of an operation: what is copied from one to the next by name."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from app.domain.enums import SECOND, ContentFormat, OperationKind, OperationStatus, ValueType
from app.domain.operations import OperationRequest
from app.models import operation as operation_module
from app.models.operation import CHANGING_COLUMNS, OPERATION_COLUMNS, OPERATION_VALUES, NewOperation, Operation

REQUEST = OperationRequest(
    endpoint="d",
    kind=OperationKind.WRITE,
    path="/3442/0/110",
    paths=("/3442/0/110",),
    value_type=ValueType.STRING,
    value="x",
    values={"/1/0/1": {"type": "INTEGER", "value": "5"}},
    replace=False,
    arguments="0='a'",
    attributes={"pmin": 5},
    format=ContentFormat.TLV,
    timeout_seconds=7,
)
NEW = NewOperation(
    id="01890a5d-ac96-774b-bcce-b302099a8057",
    request=REQUEST,
    priority=-3,
    max_attempts=5,
    repeatable=True,
    validated=True,
    ttl_seconds=60,
    supersede=True,
    idempotency_key="k",
    fingerprint="f",
    created_by="me",
    retry_of=4,
    batch="b",
    not_before=50,
    sequence="s",
)


def created() -> Operation:
    return Operation.create(NEW, seq=9, endpoint_id=2, now=1_000)


def test_a_created_operation_has_every_field_of_the_new_one() -> None:
    operation = created()
    assert (operation.seq, operation.endpoint_id, operation.created_at) == (9, 2, 1_000)
    assert operation.expires_at == 1_000 + 60 * SECOND
    assert operation.status is OperationStatus.QUEUED
    shared = {field.name for field in fields(NewOperation)} & set(OPERATION_COLUMNS)
    assert shared == {field.name for field in fields(NewOperation)} - {"request", "ttl_seconds", "supersede"}
    assert all(getattr(operation, name) == getattr(NEW, name) for name in shared)


@pytest.mark.parametrize(
    ("hint", "stored", "loaded"), [(bool, 1, True), (bool | None, 0, False), (bool | None, None, None)]
)
def test_a_nullable_boolean_stays_null(hint: Any, stored: Any, loaded: bool | None) -> None:
    convert = operation_module._conversion(hint)
    assert convert is not None
    assert convert(stored) is loaded


def test_its_request_is_the_one_that_it_was_created_with() -> None:
    assert created().request("d") == REQUEST


def test_a_row_of_either_driver_loads_as_the_operation_that_was_stored() -> None:
    operation = created()
    row = [int(value) if isinstance(value, bool) else value for value in OPERATION_VALUES(operation)]
    loaded = Operation.load([str(value) if hasattr(value, "name") else value for value in row])
    assert loaded == operation
    assert [type(value) for value in OPERATION_VALUES(loaded)] == [type(value) for value in OPERATION_VALUES(operation)]
    assert OPERATION_COLUMNS[-len(CHANGING_COLUMNS) :] == CHANGING_COLUMNS


def test_a_retry_has_the_same_request_and_settings_and_its_own_identity() -> None:
    old = replace(created(), status=OperationStatus.FAILED)
    retry = old.retry("d", id_="new", fingerprint="g", created_by="you", idempotency_key=None)
    assert retry == replace(
        NEW,
        id="new",
        supersede=False,
        idempotency_key=None,
        fingerprint="g",
        created_by="you",
        retry_of=old.seq,
        not_before=None,
        sequence=None,
    )
