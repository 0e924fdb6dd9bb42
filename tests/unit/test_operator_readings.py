"""``reveille readings``: intervals, sparklines, parts of many resources, exports that are refused or cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.command_error import CommandError
from app.operator_cli import documents, reading_command, readings
from app.operator_cli.connection import Api, Refused, Unreachable
from app.operator_cli.tables import sparkline
from app.operator_cli.times import TimeRange, time_range

NOW = datetime(2026, 11, 23, 10, 30, 15, tzinfo=UTC)
TIMES = TimeRange(NOW - timedelta(hours=1), None, NOW)
HOSTILE = "\x1b]0;title\x07\u202e"


class FakeApi(Api):
    """A substitute for Reveille with one endpoint, whose resources have ten readings each, a minute apart."""

    def __init__(self, resources: int = 1, value: Any = 21.5, type_: str = "FLOAT") -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.paths = [f"/3303/{number}/5700" for number in range(resources)]
        self.value, self.type = value, type_
        self.asked: list[dict[str, Any]] = []

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        self.asked.append(variables)
        if document == documents.READINGS:
            start = int(variables["after"] or 0)
            page = [self._reading() for _ in range(variables["first"])]
            info = {"endCursor": str(start + len(page)), "hasNextPage": start + len(page) < 120}
            return {"readings": {"pageInfo": info, "edges": [{"node": one} for one in page]}}
        if document == documents.SERIES:
            return {"readingSeries": [self._series(path) for path in variables["paths"]]}
        if variables["endpoint"] == "nobody":
            return {"endpoint": None}
        return {
            "endpoint": {
                "resources": [{**self._reading(), "path": path, "name": HOSTILE, "units": "Cel"} for path in self.paths]
            }
        }

    def _reading(self) -> dict[str, Any]:
        times = {"at": "2026-11-23T10:30:00Z", "receivedAt": "2026-11-23T10:30:00Z", "timeSource": "DEVICE"}
        return {
            "path": self.paths[0],
            "type": self.type,
            "value": self.value,
            "number": None,
            "origin": "SEND",
            **times,
        }

    def _series(self, path: str) -> dict[str, Any]:
        numbers = [None] * 10 if self.type == "STRING" else range(10)
        buckets = [
            {
                "from": (TIMES.start + timedelta(minutes=index)).isoformat(),
                "count": 1 + index,
                **dict.fromkeys(("min", "max", "mean"), number),
            }
            for index, number in enumerate(numbers)
        ]
        return {"path": path, "bucketSeconds": 60.0, "buckets": buckets}


def table_of(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> str:
    readings.show_table(api, "dev", None, TIMES, None, as_json=False)
    return capsys.readouterr().out


# --- times


@pytest.mark.parametrize(
    ("since", "until", "start", "end"),
    [
        ("90s", None, "2026-11-23T10:28:45+00:00", None),
        ("24h", "30m", "2026-11-22T10:30:15+00:00", "2026-11-23T10:00:15+00:00"),
        ("2026-11-20T08:00:00Z", "2026-11-21T08:00:00+08:00", "2026-11-20T08:00:00+00:00", "2026-11-21T00:00:00+00:00"),
    ],
)
def test_times_are_given_as_they_are_or_back_from_now(
    since: str, until: str | None, start: str, end: str | None
) -> None:
    times = time_range(since, until, NOW)
    assert (times.start.isoformat(), times.end and times.end.isoformat()) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "2w",
        "-1h",
        "+1h",
        "1h30m",
        "1234567s",
        "999999d",
        "yesterday",
        "2026-11-23T10:00:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(CommandError, match="--since: invalid time"):
        time_range(text, None, NOW)


@pytest.mark.parametrize(("since", "until"), [("1h", "1h"), ("1h", "2h"), ("2027-01-01T00:00:00Z", None)])
def test_an_empty_range_of_times_is_refused(since: str, until: str | None) -> None:
    with pytest.raises(CommandError, match="is not before"):
        time_range(since, until, NOW)


# --- sparklines


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], ""),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([None, 3, None, -1, None], " █ ▁ "),
        ([5.0, 5.0], "▄▄"),
        ([-1.7e308, 0, 1.7e308], "▁▅█"),
        ([5e-324, 1e-323, 0], "▁█▁"),
    ],
)
def test_a_sparkline_spans_its_values_and_keeps_gaps(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@pytest.mark.parametrize(
    ("seconds", "start", "count"),
    [
        (60.0, "2026-11-23T09:30:15", 60),
        (3_600.0, "2026-11-23T09:00:00", 2),
        (7_200.0, "2026-11-23T09:00:00", 1),
        (59.9, "2026-11-23T09:30:15", 61),
    ],
)
def test_whole_hours_begin_before_the_first_time(seconds: float, start: str, count: int) -> None:
    intervals = readings.Intervals.of(TIMES.start, NOW, seconds)
    assert (intervals.start.isoformat()[:19], len(intervals.means([]))) == (start, count)


def test_a_mean_is_placed_by_the_start_of_its_interval() -> None:
    intervals = readings.Intervals.of(TIMES.start, NOW, 1_234.567891)
    starts = [TIMES.start + index * timedelta(seconds=1_234.567891) for index in (0, 2, 99)]
    assert intervals.means([{"from": at.isoformat(), "mean": 1.5} for at in starts]) == [1.5, None, 1.5]


# --- the table


def test_series_are_read_in_parts_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(resources=readings.RESOURCES + 3)
    told = table_of(api, capsys)
    assert [len(asked["paths"]) for asked in api.asked[1:]] == [readings.PATHS] * (readings.RESOURCES // readings.PATHS)
    assert told.endswith("3 more resources are left out; give a path to select some\n")
    assert told.count("/5700") == readings.RESOURCES
    readings.show_table(api, "dev", None, TIMES, 7, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (len(shown["resources"]), shown["leftOut"], api.asked[-1]["points"]) == (readings.RESOURCES, 3, 7)


def test_the_mean_is_weighted_by_the_number_of_readings(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = (line for line in table_of(FakeApi(), capsys).splitlines() if "/5700" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[2:4] == ["21.5", "Cel"]
    assert cells[5:] == ["55", "0", "6", "9", "▁▂▃▃▄▅▆▆▇█"]


def test_other_values_than_numbers_have_only_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    for type_, value in (("STRING", "x" * 5_000), ("TIME", "2026-11-23T10:00:00Z"), ("OPAQUE", {"0": "00"})):
        (row,) = (line for line in table_of(FakeApi(value=value, type_=type_), capsys).splitlines() if "/5700" in line)
        assert [cell.strip() for cell in row.strip("│").split("│")][5:] == ["55", "", "", "", ""]
    assert len(readings._text("x" * 5_000)) == readings.SHOWN


def test_text_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    readings.show_list(FakeApi(value="[red]x", type_="STRING"), "[bold]", None, TIMES, 1, as_json=False)
    told = capsys.readouterr().out
    assert "[red]x" in told
    assert "[bold]: the newest 1 readings" in told


@pytest.mark.parametrize(("width", "points"), [(80, 10), (130, 21), (140, 31), (300, 60)])
def test_the_sparkline_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, points: int
) -> None:
    monkeypatch.setattr("app.operator_cli.tables.WIDTH", width)
    api = FakeApi()
    told = table_of(api, capsys)
    assert api.asked[-1]["points"] == points
    assert max(map(len, told.splitlines())) <= width


def test_without_resources_no_series_is_requested(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(resources=1)
    api.paths, first = [], api.paths[0]
    readings.show_table(api, "dev", first, TIMES, None, as_json=False)
    assert "dev: 0 resources" in capsys.readouterr().out
    assert len(api.asked) == 1
    with pytest.raises(CommandError, match="nobody: unknown endpoint"):
        readings.show_table(api, "nobody", None, TIMES, None, as_json=False)


def test_names_and_values_of_devices_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(value=HOSTILE, type_="STRING")
    readings.show_list(api, "dev", None, TIMES, 3, as_json=False)
    assert all(line.isprintable() for line in (table_of(api, capsys) + capsys.readouterr().out).split("\n"))


# --- the list


@pytest.mark.parametrize(("most", "pages"), [(10, [10]), (50, [50]), (70, [50, 20]), (1_000, [50, 50, 50])])
def test_a_list_is_read_page_by_page(capsys: pytest.CaptureFixture[str], most: int, pages: list[int]) -> None:
    api = FakeApi()
    readings.show_list(api, "dev", None, TIMES, most, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == sum(pages)
    assert [asked["first"] for asked in api.asked[1:]] == pages
    assert [asked["after"] for asked in api.asked[1:]] == [None, "50", "100"][: len(pages)]


# --- the export


class Served(httpx.SyncByteStream):
    """A body that ends, or breaks off."""

    def __init__(self, *parts: bytes, broken: bool = False) -> None:
        self.parts, self.broken = parts, broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self.parts
        if self.broken:
            raise httpx.RemoteProtocolError("incomplete chunked read")


def exporting(monkeypatch: pytest.MonkeyPatch, status: int, type_: str, body: Served) -> list[httpx.Request]:
    """Let every request receive this response; return the requests."""
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, headers={"content-type": type_}, stream=body)

    monkeypatch.setattr(Api, "_client", lambda _self: httpx.Client(transport=httpx.MockTransport(handle)))
    return requests


def export(ending: str = "csv") -> None:
    readings.export(Api("http://reveille.example", None), "a b+c", "/3303", TIMES, ending)


def test_an_export_is_written_as_it_arrives(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (requests) = exporting(monkeypatch, 200, "text/csv; charset=utf-8", Served(b"a,b\r\n", "é\x1b,2\r\n".encode()))
    export()
    assert capsysbinary.readouterr().out == "a,b\r\né\x1b,2\r\n".encode()
    assert dict(requests[0].url.params) == {"endpoint": "a b+c", "path": "/3303", "from": "2026-11-23T09:30:15Z"}


def test_an_export_to_a_terminal_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = f"a,é{HOSTILE}\r\n".encode()
    exporting(monkeypatch, 200, "text/csv", Served(whole[:3], whole[3:]))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    export()
    assert capsys.readouterr().out == "a,é\\x1b]0;title\\x07\\u202e\n"


ERROR = json.dumps({"errors": [{"message": "4 exports are running", "extensions": {"code": "LIMIT_EXCEEDED"}}]})


@pytest.mark.parametrize(
    ("status", "type_", "body", "error", "said"),
    [
        (429, "application/json", Served(ERROR.encode()), Refused, "LIMIT_EXCEEDED: 4 exports are running"),
        (401, "application/json", Served(ERROR.encode()), Refused, "set --token or REVEILLE_TOKEN"),
        (404, "text/plain", Served(b"Not Found"), Unreachable, "responded with 404, but not as Reveille"),
        (200, "text/html", Served(b"<html>"), Unreachable, "responded with 200, but not as Reveille"),
        (200, "text/csv", Served(broken=True), Unreachable, "cannot be reached"),
        (200, "text/csv", Served(b"a,b\r\n", broken=True), CommandError, "incomplete, 5 bytes were written"),
    ],
)  # fmt: skip
def test_a_failed_export_is_one_error(
    monkeypatch: pytest.MonkeyPatch, *, status: int, type_: str, body: Served, error: type[Exception], said: str
) -> None:
    exporting(monkeypatch, status, type_, body)
    with pytest.raises(error, match=said):
        export()


@pytest.mark.parametrize(
    "options",
    [
        {"csv": True, "ndjson": True},
        {"csv": True, "as_json": True},
        {"newest": 3, "ndjson": True},
        {"newest": 3, "points": 3},
    ],
)
def test_forms_of_output_exclude_each_other(options: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"--\w+ and --\w+ exclude each other") as refused:
        reading_command.readings("dev", **options)
    assert refused.value.exit_code == 2
