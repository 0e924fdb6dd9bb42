"""An outage of the database is one log line when it begins and one when it ends."""

from __future__ import annotations

from structlog.testing import capture_logs

from app.models.ledger.outage import Outage


def test_the_begin_and_the_end_of_an_outage_are_logged() -> None:
    outage = Outage()
    with capture_logs() as lines:
        outage.ended()
        for _ in range(3):
            outage.failed(ConnectionError("gone"))
        for _ in range(2):
            outage.ended()
        outage.failed(ConnectionError("again"))
    told = [(line["log_level"], line["event"], line.get("error")) for line in lines]
    assert told == [
        ("warning", "database_unavailable", "gone"),
        ("info", "database_recovered", None),
        ("warning", "database_unavailable", "again"),
    ]
