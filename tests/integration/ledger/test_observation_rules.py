"""Observation rules become operations: at registrations, after changes of the rules, and when a device falls silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.events import ObservationChanged, Reported
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.models.fields import load_json
from app.models.invariant_check import violations
from app.models.ledger import (
    ApplyRules,
    Conflict,
    CreateObservationRule,
    DecodedEvent,
    DeleteEndpoint,
    DeleteObservationRule,
    NotFound,
    RuleDefinition,
    TagEndpoints,
    TypedSample,
    UpdateObservationRule,
)
from tests.support.ledger import BUSY, REFUSED, SILENT, SUCCESS, LedgerWorld, deregistered, new, registered, updated

pytestmark = pytest.mark.asyncio

O = OperationKind  # noqa: E741
LINKS: Final = [{"url": url} for url in ("/", "/3/0", "/3303/0", "/3303/1")]
TEMPERATURE: Final = "/3303/0/5700"
OTHER: Final = "/3303/1/5700"
HERE, THERE = "192.0.2.1:5683", "192.0.2.1:6000"
FORGOTTEN: Final = Report(replace(SUCCESS.outcome, device_status=None, device_code=None))


def rule(name: str = "climate", **more: Any) -> RuleDefinition:
    facts: dict[str, Any] = {
        "paths": (TEMPERATURE,),
        "given_filter": {},
        "criteria": {},
        "composite": False,
        "attributes": {},
        "read_paths": (),
        "enabled": True,
    }
    return RuleDefinition(name=name, **{**facts, **more})


async def create(world: LedgerWorld, definition: RuleDefinition | None = None, **more: Any) -> int:
    made = await world.ledgers[0].submit(CreateObservationRule(definition or rule(**more), "operator"))
    await apply(world)
    return made


async def apply(world: LedgerWorld) -> None:
    while await world.ledgers[0].submit(ApplyRules()):
        pass


async def register(world: LedgerWorld, id_: str = "r1", name: str = "d", **more: Any) -> None:
    await world.ingest(registered(name, id_, **{"object_links": LINKS, "address": HERE, **more}))
    await apply(world)


async def open_operations(world: LedgerWorld) -> list[tuple[str, str]]:
    rows = await world.rows(
        "SELECT kind, paths FROM operation WHERE status IN ('QUEUED', 'SENDING') ORDER BY priority DESC, seq"
    )
    return [(row["kind"], ",".join(load_json(row["paths"]))) for row in rows]


async def send(world: LedgerWorld, report: Report = SUCCESS) -> tuple[str, str]:
    """Claim the next operation, settle it with the report, and return its kind and path."""
    claimed = await world.claim_one()
    await world.settle(claimed, report)
    await apply(world)
    return str(claimed.request.kind), ",".join(claimed.request.paths)


async def state(world: LedgerWorld, rule_id: int | None = None) -> dict[str, Any]:
    return await world.row("SELECT * FROM observation WHERE rule_id = coalesce($1, rule_id)", rule_id)


async def test_a_registration_gets_the_operations_of_its_rules(world: LedgerWorld) -> None:
    rule_id = await create(
        world, paths=("/3303/*/5700",), attributes={"pmin": 5, "pmax": 300}, read_paths=("/3/0/0", "/5/0/7")
    )
    await register(world)
    wanted = [
        *(("WRITE_ATTRIBUTES", TEMPERATURE), ("OBSERVE", TEMPERATURE)),
        *(("WRITE_ATTRIBUTES", OTHER), ("OBSERVE", OTHER), ("READ", "/3/0/0")),
    ]
    assert await open_operations(world) == wanted
    rows = await world.rows("SELECT created_by, priority, rule_id FROM operation")
    assert {tuple(row.values()) for row in rows} == {("reveille", -50, rule_id)}
    assert [await send(world) for _ in wanted] == wanted
    row = await state(world)
    assert (row["state"], row["detail"]) == ("ESTABLISHED", None)
    assert row["registration"] == "r1"
    assert row["check_at"] == world.now + 600_000_000
    await apply(world)
    assert await open_operations(world) == []


async def test_fifty_registrations_leave_one_open_operation(world: LedgerWorld) -> None:
    await create(world)
    for number in range(50):
        await register(world, f"r{number}")
        world.pass_(1)
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]
    assert len(await world.rows("SELECT seq FROM operation")) == 1, "one that is open stays"


async def test_a_new_registration_is_observed_again(world: LedgerWorld) -> None:
    await create(world, read_paths=("/3/0/0",))
    await register(world)
    first = [await send(world), await send(world)]
    await register(world, "r2")
    assert (await state(world))["state"] == "PENDING"
    assert [await send(world), await send(world)] == first
    assert (await state(world))["state"] == "ESTABLISHED"


async def test_an_update_observes_again_only_if_the_address_or_the_objects_changed(world: LedgerWorld) -> None:
    await create(world, paths=("/3303/*/5700",), read_paths=("/3/0/0",))
    await register(world)
    for _ in range(3):
        await send(world)
    await world.ingest(updated("d", 2, address=HERE))
    await apply(world)
    assert await open_operations(world) == []
    await world.ingest(updated("d", 3, address=THERE))
    await apply(world)
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE), ("OBSERVE", OTHER)]
    await send(world), await send(world)
    await world.ingest(updated("d", 4, address=THERE, object_links=[*LINKS, {"url": "/3303/7"}]))
    await apply(world)
    assert await open_operations(world) == [("OBSERVE", "/3303/7/5700")]


async def test_the_ledger_applies_rules_by_itself_after_a_registration(world: LedgerWorld) -> None:
    await world.ledgers[0].submit(CreateObservationRule(rule(), "operator"))
    await world.ingest(registered("d", object_links=LINKS))
    while not await open_operations(world):
        await world.ingest()
    assert "wake" in world.published
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]


async def test_an_ended_observation_is_established_again(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    await send(world)
    ended = ObservationChanged(endpoint="d", registration_id="r1", paths=(TEMPERATURE,), composite=False, stands=False)
    await world.ingest(ended)
    await apply(world)
    assert await send(world) == ("OBSERVE", TEMPERATURE)
    await world.create(new("d", O.CANCEL_OBSERVE, TEMPERATURE))
    assert await send(world, FORGOTTEN) == ("CANCEL_OBSERVE", TEMPERATURE)
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]


async def test_a_registration_during_the_call_is_observed_too(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    claimed = await world.claim_one()
    world.pass_(1)
    await register(world, "r2")
    await world.settle(claimed, SUCCESS)
    await apply(world)
    assert (await state(world))["state"] == "PENDING"
    assert await send(world) == ("OBSERVE", TEMPERATURE)
    assert (await state(world))["state"] == "ESTABLISHED"


async def test_a_refusal_is_kept_until_the_next_registration(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    await send(world, REFUSED)
    row = await state(world)
    assert row["state"] == "REFUSED"
    assert "NOT_FOUND(404)" in row["detail"]
    assert await open_operations(world) == []
    await register(world, "r2")
    assert (await state(world))["state"] == "PENDING"
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]


async def test_attributes_that_were_written_are_not_written_again(world: LedgerWorld) -> None:
    await create(world, attributes={"pmax": 60})
    await register(world)
    assert await send(world) == ("WRITE_ATTRIBUTES", TEMPERATURE)
    await world.ingest(updated("d", 2, address=HERE, object_links=[*LINKS, {"url": "/5/0"}]))
    await apply(world)
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]
    await register(world, "r2")
    assert await open_operations(world) == [("WRITE_ATTRIBUTES", TEMPERATURE), ("OBSERVE", TEMPERATURE)]


async def test_a_device_that_refuses_the_attributes_is_observed_without_them(world: LedgerWorld) -> None:
    await create(world, attributes={"pmax": 60})
    await register(world)
    assert await send(world, REFUSED) == ("WRITE_ATTRIBUTES", TEMPERATURE)
    assert await send(world) == ("OBSERVE", TEMPERATURE)
    row = await state(world)
    assert row["state"] == "ESTABLISHED"
    assert row["check_at"] is None, "it may be silent for any time"
    assert "WRITE_ATTRIBUTES: NOT_FOUND(404)" in row["detail"]


async def test_an_observation_without_an_answer_is_tried_again_at_the_next_registration(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    for number in range(2, 5):
        await send(world, SILENT)
        await world.ingest(updated("d", number, address=HERE))
    await apply(world)
    assert (await state(world))["state"] == "PENDING"
    assert await open_operations(world) == []
    await register(world, "r2")
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]


async def test_an_error_and_then_no_answer_is_no_refusal(world: LedgerWorld) -> None:
    """The device was busy once and silent afterwards: it may well support the observation."""
    await create(world)
    await register(world)
    for number, report in enumerate((BUSY, SILENT, SILENT), 2):
        await send(world, report)
        await world.ingest(updated("d", number))
    rows = await world.rows("SELECT status, reason, delivery FROM operation")
    assert [tuple(row.values()) for row in rows] == [("FAILED", "NO_ANSWER", "ANSWERED")]
    assert (await state(world))["state"] == "PENDING"


async def test_a_device_without_the_paths_is_not_supported(world: LedgerWorld) -> None:
    await create(world, paths=("/3442/*/130",))
    await register(world)
    assert (await state(world))["state"] == "NOT_SUPPORTED"
    assert await open_operations(world) == []


async def test_a_composite_rule_is_one_operation(world: LedgerWorld) -> None:
    await create(world, paths=("/3303/*/5700", "/3/0/9"), composite=True, attributes={"pmax": 60})
    await register(world)
    paths = ["/3/0/9", TEMPERATURE, OTHER]
    writes = [("WRITE_ATTRIBUTES", path) for path in paths]
    assert [await send(world) for _ in range(4)] == [*writes, ("OBSERVE_COMPOSITE", ",".join(paths))]
    assert (await state(world))["state"] == "ESTABLISHED"


async def test_a_rule_that_only_reads(world: LedgerWorld) -> None:
    await create(world, paths=(), read_paths=("/3/0/0",))
    await register(world)
    assert (await state(world))["state"] == "PENDING"
    assert await send(world) == ("READ", "/3/0/0")
    assert (await state(world))["state"] == "ESTABLISHED"
    await register(world, "r2")
    assert await send(world) == ("READ", "/3/0/0")


async def test_a_rule_applies_to_the_endpoints_of_its_filter_only(world: LedgerWorld) -> None:
    await create(world, criteria={"name_contains": "meter"})
    await register(world, name="meter-1")
    await register(world, name="gate-1")
    rows = await world.rows("SELECT e.name FROM operation o JOIN endpoint e ON e.id = o.endpoint_id")
    assert [row["name"] for row in rows] == ["meter-1"]


async def test_a_tag_selects_an_endpoint_at_once_and_a_deletion_forgets_it(world: LedgerWorld) -> None:
    await create(world, criteria={"tags": ["site:x"]})
    await register(world)
    assert await open_operations(world) == []
    await world.ledgers[0].submit(TagEndpoints([(await world.endpoint("d"))["id"]], ["site:x"], []))
    await apply(world)
    assert await send(world) == ("OBSERVE", TEMPERATURE)
    await world.ledgers[0].submit(DeleteEndpoint("d", "operator"))
    await apply(world)
    assert await world.rows("SELECT * FROM observation") == []
    assert await open_operations(world) == []


async def test_two_rules_with_one_path_share_one_observation(world: LedgerWorld) -> None:
    first = await create(world, attributes={"pmax": 60})
    await register(world)
    await send(world), await send(world)
    second = await create(world, rule("second", attributes={"pmax": 900}))
    assert await open_operations(world) == []
    assert [(await state(world, id_))["state"] for id_ in (first, second)] == ["ESTABLISHED"] * 2
    await world.ledgers[0].submit(DeleteObservationRule(first))
    await apply(world)
    assert await open_operations(world) == [("WRITE_ATTRIBUTES", TEMPERATURE), ("OBSERVE", TEMPERATURE)]
    await world.ledgers[0].submit(DeleteObservationRule(second))
    await apply(world)
    assert await open_operations(world) == [("CANCEL_OBSERVE", TEMPERATURE)]


async def test_a_removed_path_is_canceled(world: LedgerWorld) -> None:
    rule_id = await create(world, paths=("/3303/*/5700",))
    await register(world)
    await send(world), await send(world)
    await world.ledgers[0].submit(UpdateObservationRule(rule_id, rule(paths=(OTHER, "/3/0/9"))))
    await apply(world)
    assert await send(world) == ("OBSERVE", "/3/0/9")
    assert await send(world, FORGOTTEN) == ("CANCEL_OBSERVE", TEMPERATURE)
    assert await open_operations(world) == []
    assert load_json((await state(world))["targets"]).keys() == {OTHER, "/3/0/9"}


@pytest.mark.parametrize("change", ["delete", "disable", "filter"])
async def test_a_rule_that_ends_cancels_its_observations_and_operations(world: LedgerWorld, change: str) -> None:
    rule_id = await create(world, paths=(TEMPERATURE, OTHER), attributes={"pmax": 60}, read_paths=("/3/0/0",))
    await register(world)
    await send(world), await send(world)
    ledger = world.ledgers[0]
    if change == "delete":
        await ledger.submit(DeleteObservationRule(rule_id))
    else:
        changed = {"enabled": False} if change == "disable" else {"criteria": {"name_contains": "x"}}
        await ledger.submit(UpdateObservationRule(rule_id, rule(**changed)))
    await apply(world)
    assert await open_operations(world) == [("CANCEL_OBSERVE", TEMPERATURE)]
    assert await world.rows("SELECT * FROM observation") == []
    await apply(world)
    assert await open_operations(world) == [("CANCEL_OBSERVE", TEMPERATURE)], "it stays until it is sent"
    if change == "disable":
        await ledger.submit(UpdateObservationRule(rule_id, rule()))
        await apply(world)
        assert await open_operations(world) == [("OBSERVE", TEMPERATURE)], "wanted again before it was canceled"


async def test_an_observation_under_way_is_canceled_behind_its_request(world: LedgerWorld) -> None:
    rule_id = await create(world)
    await register(world)
    claimed = await world.claim_one()
    await world.ledgers[0].submit(DeleteObservationRule(rule_id))
    await apply(world)
    await world.settle(claimed, SUCCESS)
    await apply(world)
    assert await send(world, FORGOTTEN) == ("CANCEL_OBSERVE", TEMPERATURE)
    assert (await world.endpoint("d"))["observations"] is None


async def test_a_silent_device_is_stale_and_observed_again(world: LedgerWorld) -> None:
    await create(world, attributes={"pmax": 300})
    await register(world, queue_mode=False, lifetime_seconds=86400)
    await send(world), await send(world)
    for _ in range(3):
        world.pass_(300)
        await report(world)
        await apply(world)
        assert (await state(world))["state"] == "ESTABLISHED"
    world.pass_(599)
    await apply(world)
    assert (await state(world))["state"] == "ESTABLISHED"
    world.pass_(2)
    await apply(world)
    row = await state(world)
    assert (row["state"], row["detail"]) == ("STALE", f"{TEMPERATURE}: no report for more than 2 * pmax")
    assert await open_operations(world) == [("WRITE_ATTRIBUTES", TEMPERATURE), ("OBSERVE", TEMPERATURE)]
    world.pass_(3600)
    await apply(world)
    assert len(await open_operations(world)) == 2, "bounded"
    await send(world), await send(world)
    assert (await state(world))["state"] == "ESTABLISHED"


async def test_a_report_establishes_what_was_not_answered(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    for number in range(2, 5):
        await send(world, SILENT)
        await world.ingest(updated("d", number, address=HERE))
    world.pass_(30)
    await report(world)
    world.pass_(31)
    await apply(world)
    assert (await state(world))["state"] == "ESTABLISHED"


async def report(world: LedgerWorld) -> None:
    reading = TypedSample({TEMPERATURE: TypedValue(ValueType.FLOAT, 21.5)})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), [reading]))


async def test_after_the_end_of_the_registration_it_is_pending(world: LedgerWorld) -> None:
    await create(world)
    await register(world)
    await send(world)
    await world.ingest(deregistered("d"))
    await apply(world)
    assert (await state(world))["state"] == "PENDING"
    await register(world, "r2")
    assert await open_operations(world) == [("OBSERVE", TEMPERATURE)]


async def test_a_name_is_used_once_and_an_unknown_rule_is_not_found(world: LedgerWorld) -> None:
    ledger = world.ledgers[0]
    first = await create(world)
    with pytest.raises(Conflict) as refused:
        await create(world)
    assert refused.value.facts["rule"] == first
    other = await create(world, rule("other"))
    with pytest.raises(Conflict):
        await ledger.submit(UpdateObservationRule(other, rule()))
    await ledger.submit(UpdateObservationRule(other, rule("third")))
    for command in (UpdateObservationRule(99, rule("new")), DeleteObservationRule(99)):
        with pytest.raises(NotFound):
            await ledger.submit(command)


async def test_endpoints_that_have_just_woken_go_first(world: LedgerWorld) -> None:
    for start in range(0, 600, 200):
        await world.ingest(*(registered(f"d-{number}", object_links=LINKS) for number in range(start, start + 200)))
    ledger = world.ledgers[0]
    await ledger.submit(CreateObservationRule(rule(), "operator"))
    await world.ingest(registered("d-599", "r2", object_links=LINKS))
    while not await open_operations(world):
        await world.ingest()
    observed = await world.rows(
        "SELECT e.name FROM observation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = 'd-599'"
    )
    assert len(observed) == 1
    assert len(await open_operations(world)) < 600, "the sweep does the rest"


async def test_rules_of_thousands_of_endpoints_are_applied_in_pieces(world: LedgerWorld) -> None:
    for start in range(0, 1_200, 400):
        names = [f"{'meter' if number % 6 == 0 else 'gate'}-{number}" for number in range(start, start + 400)]
        await world.ingest(*(registered(name, object_links=LINKS) for name in names))
    await create(world, criteria={"name_contains": "meter"})
    assert len(await open_operations(world)) == 200
    seqs = {row["rules_seq"] for row in await world.rows("SELECT rules_seq FROM endpoint")}
    assert seqs == {(await world.server())["rules_seq"]}


@pytest.mark.parametrize(
    ("breach", "who"),
    [
        ("UPDATE observation SET registration = 'r0'", "d"),
        ("UPDATE observation SET registration = NULL", "d"),
        ("UPDATE operation SET paths = '[\"/3/0/0\"]', kind = 'READ' WHERE status = 'QUEUED'", "2"),
    ],
)
async def test_violated_invariants_of_rules_are_reported(world: LedgerWorld, breach: str, who: str) -> None:
    await create(world)
    await register(world)
    await send(world)
    await create(world, rule("reads", paths=(), read_paths=("/3/0/0", "/3303/0/5701")))
    assert await violations(world.url, now=world.now) == []
    who = who if who == "d" else str((await world.endpoint("d"))["id"])
    await world.reader.execute(breach)
    broken = await violations(world.url, now=world.now)
    assert [sentence.split(": ")[:2] for sentence in broken] == [["invariant 14", who]]
    await world.clear()
    zeros = "queued = 0, sending = 0, confirmed = 0, failed = 0, canceled = 0, expired = 0"
    await world.reader.execute(f"UPDATE leshan_server SET {zeros}")  # noqa: S608 - a constant
