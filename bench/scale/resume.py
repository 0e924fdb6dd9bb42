"""A subscriber that resumes very many transitions behind, with each filter: time to its first message, and the rate at
which it catches up."""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from contextlib import aclosing

from app.domain.enums import OperationStatus
from app.models.database import reading
from app.models.ledger import Claim
from app.models.live import LiveLog, TransitionCriteria
from bench.devices import provision, queue, wake
from bench.filling import STEPS, fill
from bench.scale.common import Measured, never, options, run
from bench.site import Site, site

FIRST = 2_000
LAST = "last"


def main() -> None:
    """Fill, resume and measure."""
    parser = options("bench.scale.resume", __doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="transitions behind")
    parser.add_argument("--within", type=float, default=60.0, help="seconds after which a resume is given up")
    arguments = parser.parse_args()
    run(_resume_all(arguments), f"resumed {arguments.rows:,} transitions behind, {arguments.database}")


async def _resume_all(arguments: argparse.Namespace) -> list[Measured]:
    async with site(arguments.database) as system, reading(system.database_url):
        operations = arguments.rows // STEPS
        await fill(system.reader, "log", max(1, operations // 20), operations, ended=True)
        await provision(system.ledger, [LAST])
        await queue(system.ledger, [LAST], 1)
        await wake(system.ledger, [LAST])
        await system.ledger.submit(Claim(1, str(uuid.uuid4())))
        figures = list[Measured]()
        for what, criteria in (await _filters(system)).items():
            first, events, seconds = await _resume(system, criteria, arguments.within)
            figures.append((f"{what}: to the first message", *((first * 1e3, "ms") if events else ("none came", ""))))
            if events > 1:
                figures.append((f"{what}: messages a second, first {events:,}", events / seconds, "/s"))
        return figures


async def _filters(system: Site) -> dict[str, TransitionCriteria]:
    """Return filters: an endpoint and an operation in the middle of the log; and, the worst case, matches only at its
    very end."""
    middle = """
        SELECT id, endpoint_id FROM operation WHERE seq >= (SELECT max(seq) / 2 FROM operation) ORDER BY seq LIMIT 1
    """
    operation, endpoint_id = (await system.reader.fetch(middle))[0]
    name = await system.one("SELECT name FROM endpoint WHERE id = $1", endpoint_id)
    return {
        "no filter": TransitionCriteria(),
        "one endpoint": TransitionCriteria(endpoint=name),
        "one operation": TransitionCriteria(operation_ids=[str(operation)]),
        "into QUEUED": TransitionCriteria(to_statuses=[OperationStatus.QUEUED]),
        "one endpoint, nothing before the end of the log": TransitionCriteria(endpoint=LAST),
        "into SENDING, nothing before the end of the log": TransitionCriteria(to_statuses=[OperationStatus.SENDING]),
    }


async def _resume(system: Site, criteria: TransitionCriteria, within: float) -> tuple[float, int, float]:
    """Return the seconds to the first message, the number of messages of the first two thousand, and the seconds until
    then."""
    live = LiveLog(never)
    await live.start()
    started, first, count = time.perf_counter(), 0.0, 0
    try:
        async with asyncio.timeout(within), aclosing(live.transitions(criteria, 0)) as events:
            async for _ in events:
                first = first or time.perf_counter() - started
                count += 1
                if count >= FIRST or count >= await _expected(system, criteria):
                    break
    except TimeoutError:
        pass
    seconds = time.perf_counter() - started
    await live.close()
    return first, count, seconds


async def _expected(system: Site, criteria: TransitionCriteria) -> int:
    """Return the number of messages to wait for: all matches if there are few."""
    if criteria.operation_ids is not None or criteria.to_statuses == [OperationStatus.SENDING]:
        return 1
    if criteria.endpoint is not None:
        sql = """
            SELECT count(*) FROM transition t
            JOIN operation o ON o.seq = t.operation_id JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = $1
        """
        return int(await system.one(sql, criteria.endpoint))
    return FIRST


if __name__ == "__main__":
    main()
