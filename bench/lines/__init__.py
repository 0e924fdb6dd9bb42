"""One module for each line of the table; each measures its figures in several rounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bench.lines import brake, claims, dispatch, fanout, pages, readings, slow, wake, webhook
from bench.measuring import Figure
from bench.size import Size

Line = Callable[[str, Size], Awaitable[list[list[Figure]]]]
"""Measure on a kind of database; return the figures of each round."""

LINES: Final[dict[str, Line]] = {
    "webhook": webhook.measure,
    "readings": readings.measure,
    "dispatch": dispatch.measure,
    "slow": slow.measure,
    "wake": wake.measure,
    "fanout": fanout.measure,
    "claims": claims.measure,
    "pages": pages.measure,
    "brake": brake.measure,
}
