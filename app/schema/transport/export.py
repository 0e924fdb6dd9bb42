"""Export of an endpoint's readings as CSV or NDJSON: a stream of any length in constant memory.

Readings are read in short statements of one page each, resource by resource in order of path, each in order of
(``at``, arrival): no transaction lasts as long as a slow client.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from app.domain.enums import Instant
from app.domain.object_models import resource_model
from app.domain.paths import LwM2mPath
from app.models.object_models import stored_versions
from app.models.queries import (
    INLINE,
    Large,
    ReadingCriteria,
    ReadingView,
    ReadUnavailable,
    endpoint_by_name,
    oldest_readings,
    reading_values,
    registered_objects,
    resource_paths,
)
from app.schema.api.checks import checked_prefix, plain_text
from app.schema.api.context import SchemaContext
from app.schema.api.scalars import read_datetime, write_datetime
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.transport.plain_http import authenticated, error_response, query_parameters

MAX_EXPORTS: Final = 4
"""Maximum number of exports that a process streams at the same time."""
PAGE: Final = 1_000
"""Readings of one statement."""

COLUMNS: Final = (
    *("endpoint", "path", "name", "units", "type", "value", "number"),
    *("at", "receivedAt", "timeSource", "origin"),
)
_PARAMETERS: Final = frozenset({"endpoint", "path", "from", "to"})


def export_routes(context: SchemaContext) -> list[BaseRoute]:
    """Return the routes of the export. Each requires the same credential as a query, and answers errors as JSON in the
    form of GraphQL's."""
    exporter = _Exporter(context)
    return [
        Route("/export/readings.csv", exporter.csv, methods=["GET"]),
        Route("/export/readings.ndjson", exporter.ndjson, methods=["GET"]),
    ]


@dataclass(slots=True)
class _Export:
    """One export: the endpoint's name, its readings, and the resources that have some."""

    endpoint: str
    criteria: ReadingCriteria
    paths: Sequence[str]
    labels: dict[str, tuple[str | None, str | None]]
    """Name and units of each resource."""


class _Exporter:
    def __init__(self, context: SchemaContext) -> None:
        self._context = context
        self._running = 0

    async def csv(self, request: Request) -> Response:
        return await self._answer(request, _csv, "text/csv; charset=utf-8", "csv")

    async def ndjson(self, request: Request) -> Response:
        return await self._answer(request, _ndjson, "application/x-ndjson", "ndjson")

    async def _answer(
        self, request: Request, written: Callable[[_Export], AsyncGenerator[bytes, None]], media_type: str, ending: str
    ) -> Response:
        try:
            export = await self._prepared(request)
        except GraphQLError as error:
            return error_response(error)
        headers = {"content-disposition": f'attachment; filename="readings.{ending}"', "cache-control": "no-store"}
        return StreamingResponse(self._counted(written(export)), headers=headers, media_type=media_type)

    async def _counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._running += 1
        try:
            async with aclosing(chunks) as open_chunks:
                async for chunk in open_chunks:
                    yield chunk
        finally:
            self._running -= 1

    async def _prepared(self, request: Request) -> _Export:
        """Check a request and return its export.

        Raises:
            GraphQLError: the request is refused.
        """
        await authenticated(self._context, request)
        if self._running >= MAX_EXPORTS:
            raise over_limit(f"{MAX_EXPORTS} exports are running; retry later.", MAX_EXPORTS)
        given = query_parameters(request, _PARAMETERS)
        name = plain_text(given.get("endpoint", ""), "endpoint")
        path = checked_prefix(given.get("path"), "path")
        start, end = (_time(given, field) for field in ("from", "to"))
        try:
            view = await endpoint_by_name(name, Large.NONE)
            if view is None:
                raise ApiError(Code.NOT_FOUND, f"Unknown endpoint {name!r}.", field="endpoint")
            criteria = ReadingCriteria(view.id, path, start, end)
            paths = await resource_paths(criteria)
            links = (await registered_objects([view.id])).get(view.id, (None, None))
            versions = stored_versions(*links)
            await self._context.object_models.exact(versions)  # those that another process has just stored
        except ReadUnavailable:
            raise ApiError(Code.UNAVAILABLE, "The database cannot be reached; retry later.") from None
        models = self._context.object_models.of(versions)
        labels: dict[str, tuple[str | None, str | None]] = {}
        for one in paths:
            known = resource_model(models, LwM2mPath.parse(one))
            labels[one] = (known.name, known.units or None) if known else (None, None)
        return _Export(name, criteria, paths, labels)


def _time(given: dict[str, str], field: str) -> Instant | None:
    if field not in given:
        return None
    try:
        return read_datetime(given[field].replace(" ", "+"))  # an offset's plus sign that was not escaped
    except GraphQLError as error:
        raise bad_input(error.message, field) from None


async def _rows(export: _Export) -> AsyncGenerator[list[dict[str, Any]], None]:
    """Yield pages of rows, with :data:`COLUMNS` as keys; ``value`` is JSON text."""
    for path in export.paths:
        name, units = export.labels[path]
        position: tuple[int, int] | None = None
        while page := await oldest_readings(export.criteria, path, PAGE, position):
            position = page[-1].at, page[-1].seq
            yield [_row(export.endpoint, name, units, view) for view in page if view.weight <= INLINE]
            for view in page:  # each large value by itself
                if view.weight > INLINE:
                    values = await reading_values([view.seq])
                    whole = replace(view, value_json=values.get(view.seq, "null"))
                    yield [_row(export.endpoint, name, units, whole)]
            if len(page) < PAGE:
                break


def _row(endpoint: str, name: str | None, units: str | None, view: ReadingView) -> dict[str, Any]:
    times = write_datetime(view.at), write_datetime(view.received_at)
    facts = endpoint, view.path, name, units, view.type, view.value_json, view.number
    return dict(zip(COLUMNS, (*facts, *times, view.time_source, view.origin), strict=True))


async def _csv(export: _Export) -> AsyncGenerator[bytes, None]:
    """Yield CSV (RFC 4180) with a header. A text is given as it is, any other value as JSON; null is empty."""
    yield _lines([COLUMNS])
    async with aclosing(_rows(export)) as pages:
        async for rows in pages:
            if rows:
                yield _lines({**row, "value": _plain(row["value"])}.values() for row in rows)


def _plain(value_json: str) -> str:
    return str(orjson.loads(value_json)) if value_json.startswith('"') else value_json


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _ndjson(export: _Export) -> AsyncGenerator[bytes, None]:
    """Yield one JSON object a line (https://github.com/ndjson/ndjson-spec)."""
    async with aclosing(_rows(export)) as pages:
        async for rows in pages:
            if rows:
                yield b"".join(_objects(rows))


def _objects(rows: list[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps({**row, "value": orjson.Fragment(row["value"])}, option=orjson.OPT_APPEND_NEWLINE)
