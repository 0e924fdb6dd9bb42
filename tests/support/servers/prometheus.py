"""Prometheus, from Debian's package, with the configuration and the alerts that ship with Reveille."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support import loopback
from tests.support.ports import free_port
from tests.support.servers.process import start

SHIPPED: Final = Path(__file__).parents[3] / "ops" / "prometheus"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of a successful call of its HTTP API."""
        answer = loopback.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression now."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result


def binary() -> str | None:
    """Return the path of Prometheus, or None if it or promtool is not installed."""
    return shutil.which("prometheus") if shutil.which("promtool") else None


@contextmanager
def prometheus(*targets: str) -> Iterator[Prometheus]:
    """Run a new Prometheus that scrapes these targets (``HOST:PORT``) twice a second, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="reveille-prometheus-") as own:
        folder = Path(own)
        shipped = (SHIPPED / "prometheus.yml").read_text()
        fast = re.sub(r"_interval: \w+", "_interval: 500ms", shipped)
        named = ", ".join(f'"{target}"' for target in targets)
        (folder / "prometheus.yml").write_text(re.sub(r"targets: \[.*\]", f"targets: [{named}]", fast))
        shutil.copy(SHIPPED / "alerts.yml", folder)
        port = free_port()
        running = Prometheus(f"http://127.0.0.1:{port}")
        program = binary()
        if program is None:
            raise FileNotFoundError("no Prometheus is installed")
        arguments = [
            *(program, "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        server = start(arguments, folder, ready=lambda: _is_ready(running))
        try:
            yield running
        finally:
            server.stop()


def _is_ready(running: Prometheus) -> bool:
    try:
        return loopback.get(f"{running.url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False
