"""The operation that each step of a firmware update sends."""

from __future__ import annotations

import uuid
from typing import Final

from app.domain.enums import FirmwareMethod, OperationKind, ValueType
from app.domain.firmware import READS_OBJECT, Step
from app.domain.firmware_object import FIRMWARE_VERSION, PACKAGE, PACKAGE_URI, PACKAGE_VERSION, UPDATE
from app.domain.operations import PACKAGE_REFERENCE, OperationRequest
from app.domain.values import JsonValue
from app.fleet.update_rows import UpdateRow
from app.models.ledger.group import Group
from app.models.ledger.rows import EndpointRow
from app.models.operation import NewOperation, Operation

_K = OperationKind

CREATED_BY: Final = "reveille"
MAX_ATTEMPTS: Final = 3

PUSH_SECONDS: Final = 600
"""How long a device may take to receive a package block by block."""

_DISCARD: Final = "00"
"""One zero byte, written to Package, resets the state machine, and so does an empty Package URI (LwM2M Core 1.1,
appendix E.6)."""


def send(group: Group, endpoint: EndpointRow, row: UpdateRow, step: Step, uri: str | None) -> Operation:
    """Create the operation of a step. ``uri`` is the package's, which is delivered so if the method is PULL."""
    return create(group, endpoint, row, request_of(endpoint.name, row, step, uri))


def create(group: Group, endpoint: EndpointRow, row: UpdateRow, request: OperationRequest) -> Operation:
    """Create an operation of an update."""
    new = NewOperation(
        id=str(uuid.uuid4()),
        request=request,
        max_attempts=MAX_ATTEMPTS,
        repeatable=request.kind is not _K.EXECUTE,
        validated=False,
        fingerprint="",
        created_by=row.created_by or CREATED_BY,
        fleet_id=row.id,
    )
    operation = Operation.create(new, seq=group.draw(), endpoint_id=endpoint.id, now=group.now)
    group.new_operation(operation)
    return operation


def request_of(name: str, row: UpdateRow, step: Step, uri: str | None) -> OperationRequest:
    """Return the request of a step to the device ``name``."""
    match step:
        case Step.READ_VERSION | Step.VERIFY:
            return _request(name, _K.READ, FIRMWARE_VERSION if row.object_instance == 0 else row.path(PACKAGE_VERSION))
        case Step.VERIFY_PACKAGE:
            return _request(name, _K.READ, row.path(PACKAGE_VERSION))
        case Step.EXECUTE:
            return _request(name, _K.EXECUTE, row.path(UPDATE))
        case Step.RESET:
            return reset(name, row)
        case Step.DELIVER if row.method is FirmwareMethod.PULL:
            return _write(name, row.path(PACKAGE_URI), ValueType.STRING, uri)
        case Step.DELIVER:
            package: JsonValue = {PACKAGE_REFERENCE: row.package_id}
            return _write(name, row.path(PACKAGE), ValueType.OPAQUE, package, PUSH_SECONDS)
        case step if step in READS_OBJECT:
            return _request(name, _K.READ, row.path())
    raise ValueError(f"{step} sends nothing")


def reset(name: str, row: UpdateRow) -> OperationRequest:
    """Return the request that makes the device discard a package."""
    if row.method is FirmwareMethod.PULL:
        return _write(name, row.path(PACKAGE_URI), ValueType.STRING, "")
    return _write(name, row.path(PACKAGE), ValueType.OPAQUE, _DISCARD)


def observation(name: str, path: str, *, ends: bool = False) -> OperationRequest:
    """Return the request that starts, or ends, an observation."""
    return _request(name, _K.CANCEL_OBSERVE if ends else _K.OBSERVE, path)


def _request(name: str, kind: OperationKind, path: str) -> OperationRequest:
    return OperationRequest(endpoint=name, kind=kind, path=path, paths=(path,))


def _write(name: str, path: str, type_: ValueType, value: JsonValue, seconds: int = 30) -> OperationRequest:
    return OperationRequest(
        endpoint=name,
        kind=_K.WRITE,
        path=path,
        paths=(path,),
        value_type=type_,
        value=value,
        timeout_seconds=seconds,
    )
