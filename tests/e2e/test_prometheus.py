"""A real Prometheus scrapes a running Reveille with its simulator, and evaluates every expression of the dashboard and
the alerts that ship."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.conftest import missing
from tests.support import loopback
from tests.support.api import Api, api, live
from tests.support.processes import ROOT, Processes
from tests.support.servers.prometheus import SHIPPED, Prometheus, binary, prometheus
from tests.support.waiting import eventually
from tools.metrics_tables import METRICS, name_of

DASHBOARD: Final[dict[str, Any]] = json.loads((ROOT / "ops" / "grafana" / "reveille.json").read_text())
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS: Final = [target["expr"] for panel in PANELS for target in panel["targets"]]
NAMES: Final = {f"{name_of(metric)}{suffix}" for metric in METRICS for suffix in ("", "_bucket", "_sum", "_count")}
SUBSCRIPTION: Final = "subscription { operationTransitions { cursor } }"


@pytest.fixture(autouse=True)
def installed() -> None:
    if binary() is None:
        missing("Prometheus and promtool (Debian's package prometheus)")


def test_the_alerts_pass_their_tests() -> None:
    alerts = re.findall(r"- alert: (\w+)", (SHIPPED / "alerts.yml").read_text())
    tested = set(re.findall(r"- alertname: (\w+)", (SHIPPED / "alerts.test.yml").read_text()))
    operating = (ROOT / "docs" / "operating.md").read_text()
    assert tested == set(alerts)
    assert [alert for alert in alerts if f"\n| {alert} |" not in operating] == []
    commands = (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    )
    for command in commands:
        done = subprocess.run(["promtool", *command], cwd=SHIPPED, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"reveille_\w+", expression))


def test_the_dashboard_names_metrics_that_exist() -> None:
    assert {name for expression in EXPRESSIONS for name in metrics_in(expression)} <= NAMES
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] for panel in PANELS)


@pytest.mark.asyncio
async def test_every_expression_has_data_and_no_alert_fires(own_processes: Processes) -> None:
    serve = own_processes.start("serve", database_url=f"sqlite://{own_processes.folder / 'reveille.db'}")
    with prometheus(serve.url.removeprefix("http://")) as server:
        async with api(serve.url) as client, live(serve.url) as connection:
            await connection.subscribe(SUBSCRIPTION)
            await eventually(lambda: bool(server.query("reveille_database_up == 1")), "the first scrape", every=0.5)
            await some_operations(client)  # between two scrapes: a rate needs both
            try:
                await eventually(lambda: not list(missing_data(server)), every=0.5)
            except AssertionError:
                raise AssertionError(f"without data: {list(missing_data(server))}") from None
            await eventually(lambda: all(rule["lastEvaluation"] > "1" for rule in rules(server)), "all are evaluated")
            for rule in rules(server):
                assert rule["health"] == "ok", rule
                assert metrics_in(rule["query"]) <= NAMES, rule["query"]
                assert rule["state"] == "inactive", rule
            loopback.post(f"{serve.url}/w/of-another-server/leshan_api/resource/single", content="{}")
            signature = '{status="401"}'
            await eventually(lambda: bool(server.query(f"reveille_webhook_refusals_total{signature} > 0")), every=0.5)
        serve.kill()
        await eventually(lambda: "ReveilleDown" in {rule["name"] for rule in rules(server, "pending")}, every=0.5)


async def some_operations(client: Api) -> None:
    """Create operations that are confirmed, and cause a webhook call to be refused."""
    wanted = [{"endpoint": f"dev-000{number}", "kind": "READ", "path": "/3/0/0"} for number in (1, 2)]
    await client.create(*wanted)
    assert loopback.post(f"{client.url}/leshan/events", content="{}").status_code == 422


def missing_data(server: Prometheus) -> Iterator[str]:
    """Yield the expressions of panels without a sample. A quantile of no calls is NaN, which is a sample, too."""
    for expression in EXPRESSIONS:
        samples = server.query(expression.replace("$__rate_interval", "1m"))
        if not any(sample["value"][1] != "NaN" for sample in samples):
            yield expression


def rules(server: Prometheus, state: str | None = None) -> list[dict[str, Any]]:
    """Return the alerts as Prometheus evaluates them, or those in this state."""
    (group,) = server.get("rules")["groups"]
    return [rule for rule in group["rules"] if state in (None, rule["state"])]
