"""Claims with very many operations queued, compared with the same claims with 1,000."""

from __future__ import annotations

import time
import uuid

from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger import Claim, Settle
from bench.filling import fill
from bench.measuring import Figure, share
from bench.site import Site, site
from bench.size import Size

FEW = 1_000
SLOTS = 50
CLAIMS = 12
EACH = 20


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Claim the next operations of 50 endpoints, and settle all before the next claim. A first claim, which is not
    counted, prepares the statements."""
    async with site(kind) as system, site(kind) as crowded:
        await fill(system.reader, "few", FEW, FEW)
        await fill(crowded.reader, "many", size.queued // EACH, size.queued)
        return [await _round(system, crowded, size) for _ in range(size.rounds)]


async def _round(system: Site, crowded: Site, size: Size) -> list[Figure]:
    few, many = [], []
    for _ in range(CLAIMS):  # in turn, so that other load of the machine affects both
        few.append(await claim_once(system))
        many.append(await claim_once(crowded))
    few_ms, many_ms = share(few[1:], 0.5) * 1e3, share(many[1:], 0.5) * 1e3
    return [
        Figure(f"claim of {SLOTS}, {FEW:,} queued", few_ms, "ms"),
        Figure(f"claim of {SLOTS}, {size.queued:,} queued", many_ms, "ms"),
        Figure("claims a second, very many queued / 1,000 queued", few_ms / many_ms, "x", ">= 0.8x"),
    ]


async def claim_once(system: Site) -> float:
    """Return the duration of a claim in seconds. The claimed operations return to their queues, as if Leshan had not
    been reached."""
    started = time.perf_counter()
    claimed = await system.ledger.submit(Claim(SLOTS, str(uuid.uuid4())))
    seconds = time.perf_counter() - started
    given_back = Report(Outcome(OutcomeKind.TOO_LATE))
    for one in claimed:
        system.ledger.enqueue(Settle(one.seq, one.attempt, given_back))
    await system.ledger.submit(Claim(0, str(uuid.uuid4())))
    return seconds
