"""Content formats: the format to request for an operation, and the values that a Leshan server cannot encode.

The facts, each run on Leshan 2.0.0-M18 and M4: Leshan's TLV encoder writes an UNSIGNED_INTEGER of 2^64 - 2^31 or more
in too few bytes, and its TLV decoder reads one-, two- and four-byte unsigned values with their sign. SenML CBOR, SenML
JSON and text are right over the whole range. 2.0.0-M4 ignores ``type`` in a node: it writes digits as text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.kinds import COMPOSITES, READS, WRITES
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, is_multiple

COMPOSITE_FORMATS: Final = (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON)
"""The formats of composites, the better one first: SenML JSON numbers go through doubles in some clients."""

Formats: TypeAlias = tuple[ContentFormat | None, ...]
"""Formats to request, in this order: the second only after a refusal of the first. None leaves the choice to Leshan
(writes: TLV) and the device (reads)."""

GARBLED_IN_TLV: Final = 2**64 - 2**31
"""From this value on, Leshan's TLV encoder writes an UNSIGNED_INTEGER in too few bytes."""

UNTYPED_WRITES: Final = frozenset({ValueType.STRING, ValueType.BOOLEAN})
"""The types that a server which ignores ``type`` writes correctly: those that JSON has itself."""

FORMAT_REFUSED: Final = frozenset({406, 415})
"""CoAP's 4.06 (Not Acceptable) and 4.15 (Unsupported Content-Format)."""

_CODES: Final = {112: ContentFormat.SENML_CBOR, 110: ContentFormat.SENML_JSON, 11542: ContentFormat.TLV}
_READS: Final = READS - COMPOSITES
_WRITES: Final = WRITES - COMPOSITES
_LEFT_TO_LESHAN: Final[Formats] = (None,)
_IN_TLV: Final = frozenset({None, ContentFormat.TLV})


def may_be_called_again(kind: OperationKind, format_: ContentFormat | None, outcome: Outcome) -> bool:
    """Return whether the attempt may make its second call, in another format.

    It may after a refusal of the format, unless the operation set the format itself (``format_``). A read may be
    repeated also if Leshan could not decode the response: M18 reads integers for a FLOAT in SenML JSON, but not in
    SenML CBOR.
    """
    if format_ is not None or kind not in READS | WRITES:
        return False
    if outcome.kind is OutcomeKind.DEVICE_ANSWERED_NO:
        return outcome.device_code in FORMAT_REFUSED
    return outcome.kind is OutcomeKind.DEVICE_ANSWERED_NONSENSE and kind in READS


class _Written(NamedTuple):
    """A resource that is written: its values are those of all its instances."""

    path: str
    type: JsonValue
    values: Collection[JsonValue]


class Unwritable(ValueError):
    """Raised if the Leshan server would write another value than the operation's. The message says which and why."""


def formats_for(request: OperationRequest, registered: frozenset[ContentFormat] | None, lwm2m: str | None) -> Formats:
    """Return the formats to request for an operation, one or two, the preferred one first.

    Args:
        registered: the formats that the device registered (:func:`registered_formats`).
        lwm2m: the LwM2M version of the registration; SenML and composites exist since 1.1.
    """
    if request.format is not None:
        return (request.format,)
    if request.kind in _READS:
        return (*_senml(registered), None)[:2]
    if request.kind in _WRITES:
        return _for_writing(request, registered, lwm2m)
    return _for_composite(registered, lwm2m) if request.kind in COMPOSITES else _LEFT_TO_LESHAN


def _senml(registered: frozenset[ContentFormat] | None) -> Formats:
    return tuple(format_ for format_ in COMPOSITE_FORMATS if format_ in (registered or ()))


def _for_composite(registered: frozenset[ContentFormat] | None, lwm2m: str | None) -> Formats:
    known = _senml(registered)
    if not known and not _speaks_senml(lwm2m):
        return COMPOSITE_FORMATS[::-1]
    return (*known, *(format_ for format_ in COMPOSITE_FORMATS if format_ not in known))


def _for_writing(request: OperationRequest, registered: frozenset[ContentFormat] | None, lwm2m: str | None) -> Formats:
    """Return the formats for a write. In SenML only the values of a CREATE contain the new instance's id: a CREATE that
    leaves the id to the device, or has no values, can only be sent as TLV, which is Leshan's own choice."""
    if request.kind is OperationKind.CREATE and not _senml_has_the_instance(request.value):
        return _LEFT_TO_LESHAN
    written = tuple(_written(request))
    if not all(values for _, _, values in written):
        return _for_clearing(request, registered)
    if any(_garbled_in_tlv(written)):
        known = _senml(registered)
        return known or (COMPOSITE_FORMATS if registered is None and _speaks_senml(lwm2m) else _LEFT_TO_LESHAN)
    taken = tuple(format_ for format_ in _CODES.values() if format_ in (registered or ()))
    return taken[:2] or _LEFT_TO_LESHAN


def _for_clearing(request: OperationRequest, registered: frozenset[ContentFormat] | None) -> Formats:
    """Return the formats that clear a multiple resource. SenML leaves a multiple resource without instances out of its
    instance, so only TLV clears it there. A write of that resource alone is an empty SenML pack, which clears it too:
    for a device that registered SenML alone."""
    by_itself = request.value_type is not None
    if by_itself and registered is not None and ContentFormat.TLV not in registered:
        return _senml(registered) or _LEFT_TO_LESHAN
    return _LEFT_TO_LESHAN


def _speaks_senml(lwm2m: str | None) -> bool:
    return lwm2m is not None and lwm2m != "1.0"


def _senml_has_the_instance(node: JsonValue) -> bool:
    if not isinstance(node, Mapping) or node.get("id") is None:
        return False
    resources = node.get("resources")
    return isinstance(resources, list) and any(_has_values(resource) for resource in resources)


def _has_values(resource: JsonValue) -> bool:
    """Return whether a resource has values: a multiple resource may have none."""
    return isinstance(resource, Mapping) and ("value" in resource or bool(resource.get("values")))


def check_writable(request: OperationRequest, *, typed: bool) -> None:
    """Check that the Leshan server writes the operation's values unchanged.

    Raises:
        Unwritable: it would write something else, and report success.
    """
    if not typed:
        _check_untyped(request)
    if request.kind in _WRITES and request.format in _IN_TLV:
        _check_for_tlv(request)


def _check_for_tlv(request: OperationRequest) -> None:
    if path := next(_garbled_in_tlv(_written(request)), None):
        raise Unwritable(
            f"{path}: Leshan's TLV encoder changes UNSIGNED_INTEGER values of {GARBLED_IN_TLV} or more. "
            "They can be written to a device that registers SenML CBOR (ct=112) or SenML JSON (ct=110), "
            "or in a `format` that the operation names"
        )


def depends_on_types(request: OperationRequest) -> bool:
    """Return whether a server that ignores types changes the operation: it refuses it, or another format is
    requested."""
    if request.kind in _WRITES:
        return any(written.type not in UNTYPED_WRITES for written in _written(request))
    return request.kind in _READS or request.kind in COMPOSITES


def _check_untyped(request: OperationRequest) -> None:
    if request.kind in COMPOSITES:
        raise Unwritable("this Leshan server (2.0.0-M4) knows no composite operations")
    if request.kind not in _WRITES:
        return
    for path, type_, _ in _written(request):
        if type_ not in UNTYPED_WRITES:
            raise Unwritable(
                f"{path}: this Leshan server (2.0.0-M4) ignores the types of values and would write something else "
                f"than this {type_}. Only STRING and BOOLEAN can be written through it"
            )


def _garbled_in_tlv(written: Iterable[_Written]) -> Iterator[str]:
    return (
        path
        for path, type_, values in written
        if type_ == ValueType.UNSIGNED_INTEGER and any(int(value) >= GARBLED_IN_TLV for value in values)
    )


def _written(request: OperationRequest) -> Iterator[_Written]:
    """Yield the resources that a checked WRITE or CREATE writes."""
    if request.value_type is not None:
        value = request.value
        yield _Written(request.path or "", request.value_type, value.values() if is_multiple(value) else (value,))
        return
    for node in request.value["resources"]:
        values = node["values"].values() if "values" in node else (node.get("value"),)
        yield _Written(f"{request.path}, resource {node.get('id')}", node.get("type"), values)


def registered_formats(links: Sequence[Mapping[str, JsonValue]] | None) -> frozenset[ContentFormat] | None:
    """Return the formats that a device registered, of those that Reveille chooses among; None if it registered none at
    all (no ``ct`` at its root link)."""
    ct = _root_attributes(links or ()).get("ct")
    return None if ct is None else _formats(str(ct))


@lru_cache(maxsize=1024)
def _formats(ct: str) -> frozenset[ContentFormat]:
    """Return the formats of the root link's ``ct``: one code or several, bare (``110``) or quoted (``"110 112"``)."""
    codes = re.findall(r"\d{1,5}", ct)
    return frozenset(_CODES[int(code)] for code in codes if int(code) in _CODES)


def _root_attributes(links: Sequence[Mapping[str, JsonValue]]) -> Mapping[str, JsonValue]:
    """Return the attributes of the link of type ``oma.lwm2m`` (its url is not ``/`` with an alternate path), otherwise
    of the link ``/``."""
    candidates = [link for link in links if isinstance(link.get("attributes"), Mapping)]
    marked = [link for link in candidates if "oma.lwm2m" in str(link["attributes"].get("rt", ""))]
    plain = [link for link in candidates if link.get("url") == "/"]
    return next((link["attributes"] for link in marked + plain), {})
