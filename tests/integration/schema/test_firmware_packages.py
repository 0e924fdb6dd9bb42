"""Firmware packages through GraphQL: create by address, list, delete, bad input, and what keeps one from deletion."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from app.domain.enums import DAY, SECOND, ValueType
from app.fleet import packages
from app.fleet.packages import CreateFirmwarePackage
from app.models.ledger import LimitExceeded, Prune
from app.schema.api.ids import parse_package_id
from tests.support.api import Api
from tests.support.ledger import START, LedgerWorld, new, registered
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

PACKAGE: Final = "id name version uri size sha256 createdAt createdBy"
PACKAGES: Final = f"{{ firmwarePackages {{ {PACKAGE} }} }}"
CREATE: Final = f"mutation($input: FirmwarePackageInput!) {{ createFirmwarePackage(input: $input) {{ {PACKAGE} }} }}"
DELETE: Final = "mutation($id: ID!) { deleteFirmwarePackage(id: $id) }"
NODE: Final = "query($id: ID!) { node(id: $id) { id ... on FirmwarePackage { name } } }"
URI: Final = "coaps+tcp://[2001:db8::1]:5684/fw.bin?v=1"


def given(**more: Any) -> dict[str, Any]:
    return {"name": "meter", "version": "1.1.10", "uri": URI, **more}


async def create(api: Api, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await api.ask(CREATE, input=given(**more)))["createFirmwarePackage"]
    return made


async def test_a_package_is_created_listed_and_deleted(world: LedgerWorld, api: Api) -> None:
    first = await create(api, size=str(2**40), sha256="AB" * 32)
    expected = {"name": "meter", "version": "1.1.10", "uri": URI, "size": str(2**40), "sha256": "ab" * 32}
    assert {name: first[name] for name in expected} == expected
    assert first["createdBy"] == "olga"
    second = await create(api, version="2")
    assert (second["size"], second["sha256"]) == (None, None)
    assert (await api.ask(PACKAGES, VIEWER))["firmwarePackages"] == [second, first]
    assert (await api.ask(NODE, id=first["id"]))["node"] == {"id": first["id"], "name": "meter"}
    assert (await api.ask(DELETE, id=first["id"]))["deleteFirmwarePackage"] == first["id"]
    assert (await api.ask(NODE, id=first["id"]))["node"] is None
    assert (await api.ask(PACKAGES))["firmwarePackages"] == [second]
    for id_ in (first["id"], "none", "RW5kcG9pbnQ6MQ=="):
        assert (await api.error(DELETE, id=id_))["code"] == "NOT_FOUND"
    audit = await world.rows("SELECT action, target, actor FROM audit_event ORDER BY id LIMIT 3")
    assert [tuple(event.values()) for event in audit] == [
        *[("createFirmwarePackage", "meter", "olga")] * 2,
        ("deleteFirmwarePackage", first["id"], "olga"),
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"version": "\u00a0"}, "version"),
        ({"version": "1\x00"}, "version"),
        ({"size": 0}, "size"),
        ({"size": str(2**63)}, "size"),
        ({"sha256": "ab" * 31}, "sha256"),
        ({"sha256": "xy" * 32}, "sha256"),
        *(
            ({"uri": uri}, "uri")
            for uri in (
                *("", "fw.bin", "ftp://host/f", "coap:///f", "http://", "http://ho st/f", "http://h\u00f6st/f"),
                *("http://[::1/f", "http://host:99999/f", "coap://host/" + "x" * 244, 'http://host/"', "coap://h\n/f"),
            )
        ),
    ],
)
async def test_invalid_input_is_refused(world: LedgerWorld, api: Api, *, wrong: dict[str, Any], field: str) -> None:
    error = await api.error(CREATE, input=given(**wrong))
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    assert (await api.ask(PACKAGES))["firmwarePackages"] == []


async def test_a_uri_may_have_255_bytes(world: LedgerWorld, api: Api) -> None:
    uri = "coap://host/" + "x" * 243
    assert (await create(api, uri=uri))["uri"] == uri


async def test_a_package_in_use_is_not_deleted(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    endpoint = (await world.endpoint("d"))["id"]
    used, other = await create(api), await create(api)
    keys = parse_package_id(used["id"]), parse_package_id(other["id"])
    await world.reader.execute(
        f"""
        INSERT INTO firmware_update (id, endpoint_id, package_id, method, object_instance, state, step_at, attempts,
            executions, tries, created_at, since, seen_seq)
        VALUES (1, {endpoint}, {keys[0]}, 'PULL', 0, 'QUEUED', 1, 0, 0, 0, 1, 1, 0)
        """  # noqa: S608
    )
    error = await api.error(DELETE, id=used["id"])
    assert error["code"] == "CONFLICT"
    await _insert_campaign(world, keys[1])
    assert (await api.error(DELETE, id=other["id"]))["code"] == "CONFLICT"

    await world.reader.execute("UPDATE firmware_update SET state = 'FAILED', finished_at = 1")
    await world.reader.execute("UPDATE campaign SET status = 'COMPLETED'")
    for package in (used, other):
        await api.ask(DELETE, id=package["id"])
    assert (await api.ask(PACKAGES))["firmwarePackages"] == []

    world.pass_(91 * DAY // SECOND)
    ledger = world.ledgers[0]
    await ledger.submit(Prune())
    assert len(await world.rows("SELECT id FROM firmware_package")) == 2, "an update and a campaign name them"
    await world.reader.execute("DELETE FROM firmware_update")
    await world.reader.execute("DELETE FROM campaign")
    await ledger.submit(Prune())
    assert await world.rows("SELECT id FROM firmware_package") == []


async def _insert_campaign(world: LedgerWorld, package: int) -> None:
    row = {"id": 1, "server_id": 1, "name": "c", "status": "PAUSED", "package_id": package, "created_at": START}
    row |= {"given_filter": "{}", "criteria": "{}", "waves": "[]", "wave": 1, "wave_accepted": 0, "retries": 0}
    row |= dict.fromkeys(("waiting", "running", "succeeded", "failed", "canceled", "skipped"), 0)
    values = ", ".join(json.dumps(value).replace('"', "'") for value in row.values())
    await world.reader.execute(
        f"INSERT INTO campaign ({', '.join(row)}, continuous) VALUES ({values}, FALSE)"  # noqa: S608
    )


async def test_the_number_of_packages_is_limited(world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PACKAGES", 1)
    await create(api)
    error = await api.error(CREATE, input=given())
    assert (error["code"], error["limit"]) == ("LIMIT_EXCEEDED", 1)
    with pytest.raises(LimitExceeded):
        await world.ledgers[0].submit(CreateFirmwarePackage("n", "v", None, 1, "0" * 64, "0" * 32, "olga"))


async def test_only_fleet_work_writes_the_content_of_a_package(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    package = await create(api)
    plain = new("d", path="/5/0/0")
    value = {"firmwarePackage": parse_package_id(package["id"])}
    await world.create(replace(plain, request=replace(plain.request, value=value, value_type=ValueType.OPAQUE)))
    shown = await api.ask("{ deviceOperations { edges { node { valueType value } } } }")
    (edge,) = shown["deviceOperations"]["edges"]
    assert edge["node"] == {"valueType": "OPAQUE", "value": {"firmwarePackage": package["id"]}}
    mutation = "mutation($value: ResourceValueInput!) { createDeviceOperation(input: { %s }) { created } }"
    node = {"kind": "instance", "resources": [{"id": 0, "kind": "singleResource", "type": "OPAQUE", "value": value}]}
    for path, given in (
        ("/5/0/0", {"opaque": json.dumps(value)}),
        ("/5/0/0", {"multiple": [{"id": 0, "value": {"opaque": json.dumps(value)}}]}),
        ("/5/0", {"node": node}),
    ):
        error = await api.error(mutation % f'endpoint: "d", path: "{path}", value: $value', value=given)
        assert error["code"] == "BAD_USER_INPUT"
