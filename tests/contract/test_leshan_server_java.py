"""The Java tests of `leshan-server` pass."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.leshan.launch import FOLDER, script

pytestmark = pytest.mark.usefixtures("java")


@pytest.mark.timeout(600)
def test_java() -> None:
    done = subprocess.run([script(), "test"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class WrongChecksums(BaseHTTPRequestHandler):
    """A Maven repository in which no file matches its checksum."""

    def do_GET(self) -> None:
        """Answer a checksum with zeros, and anything else with a POM of the artifact in the path."""
        *group, artifact, version, _ = self.path.strip("/").split("/")
        pom = (
            f"<project><modelVersion>4.0.0</modelVersion><groupId>{'.'.join(group)}</groupId>"
            f"<artifactId>{artifact}</artifactId><version>{version}</version><packaging>pom</packaging></project>"
        )
        body = ("0" * 40 if self.path.endswith(".sha1") else pom).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.mark.parametrize("pom", ["pom.xml", "m4/pom.xml"])
def test_a_download_that_does_not_match_its_checksum_ends_the_build(tmp_path: Path, pom: str) -> None:
    repository = ThreadingHTTPServer(("127.0.0.1", 0), WrongChecksums)
    threading.Thread(target=repository.serve_forever, daemon=True).start()
    try:
        mirror = f"<id>wrong</id><mirrorOf>*</mirrorOf><url>http://127.0.0.1:{repository.server_port}</url>"
        (tmp_path / "settings.xml").write_text(f"<settings><mirrors><mirror>{mirror}</mirror></mirrors></settings>")
        options = ["-s", str(tmp_path / "settings.xml"), f"-Dmaven.repo.local={tmp_path / 'repository'}"]
        command = ["mvn", "-B", "-f", str(FOLDER / pom), *options, "package", "-DskipTests"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    finally:
        repository.shutdown()
        repository.server_close()
    failures = [line for line in done.stdout.splitlines() if "[ERROR]" in line]
    assert any("Checksum validation failed" in line for line in failures), done.stdout
