"""Query of the statistics of operations that have ended."""

from __future__ import annotations

from typing import Annotated, Final

import strawberry

from app.models.queries import database_now, ended_statistics
from app.schema.api.checks import within
from app.schema.api.fields import resolved
from app.schema.api.types.statistics import OperationStatistics, statistics_of
from app.schema.limits import DEFAULT_WINDOW, WINDOW_SECONDS

_window: Final = within(WINDOW_SECONDS)


@strawberry.type
class StatisticsQuery:
    @resolved(
        "Statistics of the operations that ended last, for an overview: by status, reason and time of their end, and "
        "the time from the wake to CONFIRMED. At most the newest 10,000 are read."
    )
    async def operation_statistics(
        self,
        window_seconds: Annotated[
            int | None,
            strawberry.argument(
                description="How long ago an operation may have ended, {:,} to {:,} s.".format(*WINDOW_SECONDS)
            ),
        ] = DEFAULT_WINDOW,
    ) -> OperationStatistics | None:
        seconds = DEFAULT_WINDOW if window_seconds is None else _window(window_seconds, "windowSeconds")
        return statistics_of(await ended_statistics(await database_now(), seconds))
