"""Contract: each of the thirteen kinds, successful, refused by the device, and with a target that does not exist."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.object_models import object_versions
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.nodes import decode_content
from tests.contract.leshan.contract import Contract
from tests.contract.leshan.differences import Difference

pytestmark = pytest.mark.asyncio

composites = pytest.mark.without(Difference.NO_COMPOSITES)

INSTANCE: Final = {"resources": [{"id": 110, "kind": "singleResource", "type": "STRING", "value": "new"}]}
WRITTEN: Final = {"/3442/0/110": {"type": "STRING", "value": "a"}, "/3442/0/120": {"type": "INTEGER", "value": "7"}}
SOME: Final = ("/3/0/0", "/3303/0/5700")

KINDS: Final[dict[OperationKind, tuple[str, str | None, dict[str, Any]]]] = {
    OperationKind.READ: ("CONTENT(205)", "/3303/0/5700", {}),
    OperationKind.WRITE: ("CHANGED(204)", "/5/0/1", {"value_type": ValueType.STRING, "value": "x"}),
    OperationKind.EXECUTE: ("CHANGED(204)", "/3/0/4", {}),
    OperationKind.CREATE: ("CREATED(201)", "/3442", {"value": {"id": 5, **INSTANCE}}),
    OperationKind.DELETE: ("DELETED(202)", "/3442/0", {}),
    OperationKind.DISCOVER: ("CONTENT(205)", "/3303/0", {}),
    OperationKind.OBSERVE: ("CONTENT(205)", "/3303/0/5700", {}),
    OperationKind.WRITE_ATTRIBUTES: ("CHANGED(204)", "/3303/0/5700", {"attributes": {"pmin": 1, "pmax": 60}}),
    OperationKind.READ_COMPOSITE: ("CONTENT(205)", None, {"paths": SOME}),
    OperationKind.WRITE_COMPOSITE: ("CHANGED(204)", None, {"paths": tuple(WRITTEN), "values": WRITTEN}),
    OperationKind.OBSERVE_COMPOSITE: ("CONTENT(205)", None, {"paths": SOME}),
}
"""The device's status on success, the path and the arguments for each kind that calls the device. The two cancels call
only Leshan."""

COMPOSITES: Final = [kind for kind in KINDS if kind.name.endswith("COMPOSITE")]
SINGLES: Final = [kind for kind in KINDS if kind not in COMPOSITES]
STATUSES: Final = ["BAD_REQUEST(400)", "METHOD_NOT_ALLOWED(405)", "INTERNAL_SERVER_ERROR(500)", "UNKNOWN(503)"]


def facts(outcome: Outcome) -> tuple[OutcomeKind, str | None]:
    return outcome.kind, outcome.device_status


async def check_done(contract: Contract, kind: OperationKind) -> None:
    status, path, more = KINDS[kind]
    device = await contract.device()
    assert facts(await contract.call(device, kind, path, **more)) == (OutcomeKind.SUCCESS, status)
    assert [one.kind for one in await device.reached()] == [kind]


async def check_refused(contract: Contract, kind: OperationKind) -> None:
    _, path, more = KINDS[kind]
    device = await contract.device()
    for status in STATUSES:
        code = int(status[-4:-1])
        await device.behave()
        await device.refuse(code, "not now")
        outcome = await contract.call(device, kind, path, **more)
        assert facts(outcome) == (OutcomeKind.DEVICE_ANSWERED_NO, status)
        assert (outcome.device_code, outcome.detail, outcome.http_status) == (code, "not now", 200)
    assert [one.kind for one in await device.reached()] == [kind] * len(STATUSES)


@pytest.mark.parametrize("kind", SINGLES)
async def test_success(contract: Contract, kind: OperationKind) -> None:
    await check_done(contract, kind)


@pytest.mark.parametrize("kind", SINGLES)
async def test_refused_by_the_device(contract: Contract, kind: OperationKind) -> None:
    await check_refused(contract, kind)


@composites
@pytest.mark.parametrize("kind", COMPOSITES)
async def test_success_of_a_composite(contract: Contract, kind: OperationKind) -> None:
    await check_done(contract, kind)


@composites
@pytest.mark.parametrize("kind", COMPOSITES)
async def test_a_composite_refused_by_the_device(contract: Contract, kind: OperationKind) -> None:
    await check_refused(contract, kind)


async def test_not_found(contract: Contract) -> None:
    device = await contract.device()
    for kind, path in (("READ", "/3/0/2000"), ("READ", "/9999/0"), ("DISCOVER", "/9999"), ("DELETE", "/3442/77")):
        outcome = await contract.call(device, kind, path)
        assert facts(outcome) == (OutcomeKind.DEVICE_ANSWERED_NO, "NOT_FOUND(404)"), path


async def test_method_not_allowed(contract: Contract) -> None:
    device = await contract.device()
    for kind, path, more in (
        ("READ", "/3/0/4", {}),
        ("EXECUTE", "/3/0/0", {}),
        ("WRITE", "/3/0/0", {"value_type": ValueType.STRING, "value": "x"}),
        ("DELETE", "/3/0", {}),
    ):
        outcome = await contract.call(device, kind, path, **more)
        refused = {"METHOD_NOT_ALLOWED(405)", "NOT_FOUND(404)", "BAD_REQUEST(400)"}
        assert outcome.kind is OutcomeKind.DEVICE_ANSWERED_NO, path
        assert outcome.device_status in refused, path


@pytest.mark.parametrize(
    "arguments", ["", "0='https://url.com/fw.bin',1='5'", "5", "2='ab;c/d?e&f=g%',3"], ids=["none", "two", "id", "odd"]
)
async def test_the_arguments_of_an_execute_arrive(contract: Contract, arguments: str) -> None:
    device = await contract.device()
    outcome = await contract.call(device, "EXECUTE", "/3442/0/3", arguments=arguments)
    assert facts(outcome) == (OutcomeKind.SUCCESS, "CHANGED(204)")
    (reached,) = await device.reached()
    assert (reached.kind, reached.path, reached.value or "") == ("EXECUTE", "/3442/0/3", arguments)


async def test_the_path_of_a_created_instance_is_returned_if_the_device_chose_it(contract: Contract) -> None:
    device = await contract.device()
    given = await contract.call(device, "CREATE", "/3442", value={"id": 5, **INSTANCE})
    chosen = await contract.call(device, "CREATE", "/3442", value=dict(INSTANCE))
    assert (given.location, chosen.location) == (None, "3442/6")
    assert [await device.held(f"/3442/{instance}/110") for instance in (5, 6)] == ["new", "new"]
    again = await contract.call(device, "CREATE", "/3442", value={"id": 5, **INSTANCE})
    assert facts(again) == (OutcomeKind.DEVICE_ANSWERED_NO, "BAD_REQUEST(400)")
    deleted = await contract.call(device, "DELETE", "/3442/5")
    assert facts(deleted) == (OutcomeKind.SUCCESS, "DELETED(202)")
    assert await device.held("/3442/5/110") is None


async def test_attributes_are_discovered(contract: Contract) -> None:
    device = await contract.device()
    written = await contract.call(
        device, "WRITE_ATTRIBUTES", "/3303/0/5700", attributes={"pmin": 1, "pmax": 3600, "gt": 25.5}
    )
    assert facts(written) == (OutcomeKind.SUCCESS, "CHANGED(204)")
    found = await contract.call(device, "DISCOVER", "/3303/0/5700")
    (link,) = found.object_links or ()
    assert link["url"] == "/3303/0/5700"
    attributes = {name: float(value) for name, value in link["attributes"].items() if name in {"pmin", "pmax", "gt"}}
    assert attributes == {"pmin": 1, "pmax": 3600, "gt": 25.5}


async def test_the_content_of_a_read_is_typed_by_the_object_models(contract: Contract) -> None:
    device = await contract.device()
    models = {model.id: model for model in await contract.client.object_models(device.name)}
    outcome = await contract.call(device, "READ", "/3303/0")
    decoded = decode_content("/3303/0", outcome.content, models.get)
    values = {path: (typed.type, typed.value) for path, typed in decoded.values.items()}
    assert decoded.problems == []
    assert values["/3303/0/5700"][0] is ValueType.FLOAT
    assert values["/3303/0/5701"][0] is ValueType.STRING


@pytest.mark.without(Difference.FEW_MODELS)
async def test_leshan_has_each_object_model_in_the_assumed_version(contract: Contract) -> None:
    """Object 1 is registered without ``ver``: both sides take the version of the LwM2M release that the device
    reported."""
    registration = await contract.registration(await contract.device(name := "device-with-versions"))
    versions = object_versions(registration["objectLinks"], registration["lwM2mVersion"])
    assert (registration["lwM2mVersion"], versions[1]) == ("1.1", "1.1")
    models = {model.id: model.version for model in await contract.client.object_models(name)}
    assert models == versions


@pytest.mark.without(Difference.FEW_MODELS)
async def test_a_whole_object_is_read(contract: Contract) -> None:
    device = await contract.device()
    models = {model.id: model for model in await contract.client.object_models(device.name)}
    outcome = await contract.call(device, "READ", "/3442")
    decoded = decode_content("/3442", outcome.content, models.get)
    assert decoded.problems == []
    found = {path: typed.type for path, typed in decoded.values.items()}
    assert found["/3442/0/120"] is ValueType.INTEGER
    assert found["/3442/0/1125"] is ValueType.UNSIGNED_INTEGER
    assert found["/3442/0/170"] is ValueType.OBJLNK


@pytest.mark.only_with(Difference.FEW_MODELS)
async def test_values_of_objects_unknown_to_leshan_are_hex(contract: Contract) -> None:
    device = await contract.device()
    known = {model.id for model in await contract.client.object_models(device.name)}
    assert 3442 not in known
    outcome = await contract.call(device, "READ", "/3/0/14")
    assert outcome.content == {"id": 14, "value": b"Z".hex()}


@composites
async def test_a_composite_read_omits_missing_resources(contract: Contract) -> None:
    device = await contract.device()
    some = await contract.call(device, "READ_COMPOSITE", paths=("/3/0/0", "/3/0/2000", "/9999/0", "/3303/0"))
    assert facts(some) == (OutcomeKind.SUCCESS, "CONTENT(205)")
    assert {path for path, node in some.content.items() if node} == {"/3/0/0", "/3303/0"}
    none = await contract.call(device, "READ_COMPOSITE", paths=("/3/0/2000", "/9999/0"))
    assert facts(none) == (OutcomeKind.DEVICE_ANSWERED_NO, "NOT_FOUND(404)")


@composites
async def test_a_composite_write_with_one_invalid_path_changes_nothing(contract: Contract) -> None:
    device = await contract.device()
    done = await contract.call(device, "WRITE_COMPOSITE", paths=tuple(WRITTEN), values=WRITTEN)
    assert facts(done) == (OutcomeKind.SUCCESS, "CHANGED(204)")
    assert [await device.held(path) for path in WRITTEN] == ["a", "7"]
    values = {"/3442/0/110": {"type": "STRING", "value": "b"}, "/9999/0/1": {"type": "STRING", "value": "c"}}
    refused = await contract.call(device, "WRITE_COMPOSITE", paths=tuple(values), values=values)
    assert refused.kind is OutcomeKind.DEVICE_ANSWERED_NO
    assert refused.device_code == 404
    assert await device.held("/3442/0/110") == "a"


@pytest.mark.only_with(Difference.NO_COMPOSITES)
async def test_nothing_is_sent_if_composites_are_not_supported(contract: Contract) -> None:
    device = await contract.device()
    found = {kind: await contract.call(device, kind, **KINDS[kind][2]) for kind in COMPOSITES}
    assert {kind: outcome.kind for kind, outcome in found.items()} == {
        OperationKind.READ_COMPOSITE: OutcomeKind.ANSWER_LOST,
        OperationKind.WRITE_COMPOSITE: OutcomeKind.BAD_REQUEST,
        OperationKind.OBSERVE_COMPOSITE: OutcomeKind.BAD_REQUEST,
    }
    assert await device.reached() == []


async def test_a_cancel_succeeds_with_and_without_an_observation(contract: Contract) -> None:
    await check_cancel(contract, "OBSERVE", "/3303/0/5700", ("/3303/0/5700",))


@composites
async def test_a_composite_cancel_succeeds_with_and_without_an_observation(contract: Contract) -> None:
    await check_cancel(contract, "OBSERVE_COMPOSITE", None, SOME)


async def check_cancel(contract: Contract, observe: str, path: str | None, paths: tuple[str, ...]) -> None:
    device = await contract.device()
    for kind in (f"CANCEL_{observe}", observe, f"CANCEL_{observe}", f"CANCEL_{observe}"):
        assert (await contract.call(device, kind, path, paths=paths)).kind is OutcomeKind.SUCCESS
