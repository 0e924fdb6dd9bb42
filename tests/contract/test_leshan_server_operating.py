"""Our Leshan server as its operator uses it: start, reload, logs, metrics and stop, and which devices may register."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import missing
from tests.support import loopback
from tests.support.leshan.certificates import Certificate, authority, openssl_is_missing, signed_by
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer, leshan_server, script

pytestmark = [pytest.mark.usefixtures("java")]

FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503


@pytest.fixture
def certificates(tmp_path: Path) -> Certificate:
    """Return a certificate authority; certificates can be created in `tmp_path`."""
    if openssl_is_missing():
        missing("openssl")
    return authority(tmp_path)


def refused(*options: object, environment: Mapping[str, str] | None = None) -> str:
    """Return the error of a server that does not start, which must be one line."""
    # a server that starts nevertheless stops when its input ends
    command = [str(script()), "server", "--exit-with-stdin", *map(str, options)]
    values = dict(os.environ) | dict(environment or {})
    done = subprocess.run(
        command, env=values, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def within(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.02)


def reload(server: LeshanServer) -> str:
    """Make a server read its files again; return its log messages about it."""
    before = len(server.process.log.read_text())
    server.process.process.send_signal(signal.SIGHUP)
    within(lambda: "settings reloaded" in server.process.log.read_text()[before:])
    return server.process.log.read_text()[before:]


def metric(server: LeshanServer, series: str) -> float:
    """Return the value of a series, 0 if it does not exist yet."""
    text = loopback.get(server.url.replace("/api", "/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{series} "))


# --- start and stop


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_is_no_failure(how: signal.Signals) -> None:
    with leshan_server() as server:
        server.process.process.send_signal(how)
        assert server.process.process.wait(30) == 0


@pytest.mark.parametrize("name", ["--https", "--coaps"])
def test_a_key_of_another_certificate_ends_the_start(name: str, certificates: Certificate, tmp_path: Path) -> None:
    own, other = (signed_by(certificates, tmp_path, common_name) for common_name in ("own", "other"))
    files = [f"{name}-cert", own.certificate, f"{name}-key", other.key]
    line = refused("--data", tmp_path / "data", *files)
    assert line.startswith(f"{name}-key: {other.key} is not the key of the first certificate of {name}-cert.")


def test_a_file_of_a_newer_server_ends_the_start(tmp_path: Path) -> None:
    with leshan_server(data=tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "leshan.sqlite")) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (1,)
        file.execute("PRAGMA user_version = 2")
    assert refused("--data", tmp_path).startswith("--data: a newer version of this server wrote the file (layout 2, ")


def test_a_misspelled_variable_aborts_the_start(tmp_path: Path) -> None:
    line = refused("--data", tmp_path, environment={"LESHAN_SERVER_HTTP_PROT": "0"})
    assert line.startswith("Unknown variable LESHAN_SERVER_HTTP_PROT. Did you mean LESHAN_SERVER_HTTP_PORT?")


def test_a_copy_made_while_the_server_runs_starts_another_server(tmp_path: Path, leshan_devices: Devices) -> None:
    """The procedure is that of docs/backup.md."""
    psk = {"endpoint": "kept", "tls": {"mode": "psk", "details": {"identity": "kept-id", "key": "00" * 16}}}
    copies = tmp_path / "copies"
    copies.mkdir()
    with leshan_server(data=tmp_path / "data") as server:
        assert loopback.put(f"{server.url}/security/clients", json=psk).is_success
        device = leshan_devices.create("during", server=server.coap_uri)
        with closing(sqlite3.connect(tmp_path / "data" / "leshan.sqlite")) as file:
            file.execute("VACUUM INTO ?", (str(copies / "leshan.sqlite"),))
        device.remove(deregister=True)
    with leshan_server(data=copies, options=["--coaps-port", 0]) as server:
        assert loopback.get(f"{server.url}/security/clients/kept").json()["endpoint"] == "kept"
        assert loopback.get(server.url.replace("/api", "/health/ready")).is_success


# --- logs and metrics


def test_logs_as_json_are_one_object_a_line(leshan_devices: Devices) -> None:
    with leshan_server(environment={"LESHAN_SERVER_LOG_FORMAT": "json", "LESHAN_SERVER_LOG": "DEBUG"}) as server:
        device = leshan_devices.create("logged", server=server.coap_uri)
        device.remove(deregister=True)
        text = server.process.log.read_text()
    # the server may still be writing the last line
    lines = [json.loads(line) for line in text[: text.rindex("\n")].splitlines()]
    logged = [line for line in lines if "formattedMessage" in line]
    assert len(logged) == len(lines) - 1, "all but the ready line"
    assert any("logged" in line["formattedMessage"] for line in logged)
    assert {"timestamp", "level", "loggerName", "threadName"} <= set(logged[0])


def test_metrics_count_refusals_handshakes_errors_and_listeners(
    leshan_devices: Devices, certificates: Certificate
) -> None:
    with leshan_server(options=["--coaps-port", 0]) as server:
        for identity, key in (("good", "00" * 16), ("bad", "11" * 16)):
            entry = {"endpoint": identity, "tls": {"mode": "psk", "details": {"identity": identity, "key": key}}}
            assert loopback.put(f"{server.url}/security/clients", json=entry).is_success
        psk = {"psk": {"identity": "good", "key": "00" * 16}}
        good = leshan_devices.create("good", server=server.coaps_uri, credentials=psk)
        thief = leshan_devices.create("bad", server=server.coap_uri, register=False)
        # this server has no certificate, so the two have no cipher in common
        pem = {"certificate": certificates.certificate, "key": certificates.key, "server": certificates.certificate}
        x509 = {"x509": {name: file.read_text() for name, file in pem.items()}}
        wrong = leshan_devices.create("wrong", server=server.coaps_uri, credentials=x509, register=False)
        assert thief.register().code == FORBIDDEN
        assert not wrong.register().ok
        assert metric(server, 'leshan_dtls_handshakes_total{result="succeeded"}') == 1
        within(lambda: metric(server, 'leshan_dtls_handshakes_total{result="failed"}') >= 1)
        assert metric(server, 'leshan_registrations_refused_total{reason="credentials"}') == 1
        assert metric(server, 'leshan_coap_errors_total{code="4.03",direction="sent"}') == 1
        good.refuse("4.05", path="/3")
        loopback.get(f"{server.url}/clients/good/3/0/0?timeout=20", timeout=30)
        assert metric(server, 'leshan_coap_errors_total{code="4.05",direction="received"}') == 1
        within(lambda: metric(server, "leshan_dtls_connections") >= 1)
        loopback.get(f"{server.url}/nowhere")
        within(lambda: metric(server, 'leshan_http_responses_total{status="404"}') == 1)  # counted after it was sent
        assert metric(server, "leshan_store_write_seconds_count") > 0
        assert metric(server, "process_files_open_files") > 0
        with loopback.stream("GET", f"{server.url}/event", headers={"Accept": "text/event-stream"}):
            assert metric(server, "leshan_event_listeners") == 1
        for device in (good, thief, wrong):
            device.remove()


# --- reload


def test_tokens_are_reloaded_and_an_invalid_file_preserves_them(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("first\n")
    with leshan_server(options=["--api-token-file", file]) as server:

        def status(token: str) -> int:
            return loopback.get(f"{server.url}/clients", headers={"Authorization": f"Bearer {token}"}).status_code

        assert (status("first"), status("second")) == (200, 401)
        file.write_text("second\n")
        reload(server)
        assert (status("first"), status("second")) == (401, 200)
        file.write_text("\n")
        said = reload(server)
        assert [line.partition("Reload ")[2] for line in said.splitlines()] == [
            "not reloaded, the previous setting stays in effect: --api-token-file contains no token.",
            "settings reloaded: 2 of 3",
        ]
        assert (status("first"), status("second"), status("x")) == (401, 200, 401)


def test_the_certificate_of_https_is_reloaded(certificates: Certificate, tmp_path: Path) -> None:
    own, other = (signed_by(certificates, tmp_path, name, also="IP:127.0.0.1") for name in ("own", "other"))
    key, certificate = tmp_path / "in-use.key", tmp_path / "in-use.pem"
    shutil.copy(own.key, key)
    shutil.copy(own.certificate, certificate)
    with leshan_server(options=["--https-cert", certificate, "--https-key", key]) as server:

        def shown() -> bytes:
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.http_port)))

        assert shown() == der(own)
        shutil.copy(other.certificate, certificate)
        said = reload(server)
        assert f"{key} is not the key of the first certificate" in said
        assert shown() == der(own)
        shutil.copy(other.key, key)
        reload(server)
        assert shown() == der(other)


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())


def test_the_certificate_and_authorities_of_coaps_are_reloaded(
    certificates: Certificate, tmp_path: Path, leshan_devices: Devices
) -> None:
    (tmp_path / "second").mkdir()
    second = authority(tmp_path / "second")
    servers = [signed_by(certificates, tmp_path, name, also="IP:127.0.0.1") for name in ("localhost", "renewed")]
    in_use = {name: tmp_path / f"in-use-{name}" for name in ("cert", "key", "trust")}

    def use(server: Certificate, trusted: Certificate) -> None:
        shutil.copy(server.certificate, in_use["cert"])
        shutil.copy(server.key, in_use["key"])
        shutil.copy(trusted.certificate, in_use["trust"])

    use(servers[0], certificates)
    options: list[object] = ["--coaps-port", 0]
    for name, file in in_use.items():
        options += [f"--coaps-{name}", file]
    with leshan_server(options=options) as server:

        def registers(name: str, signer: Certificate, shown: Certificate) -> bool:
            loopback.put(f"{server.url}/security/clients", json={"endpoint": name, "tls": {"mode": "x509"}})
            (tmp_path / name).mkdir()
            own = signed_by(signer, tmp_path / name, name)
            files = {"certificate": own.certificate, "key": own.key, "server": shown.certificate}
            credentials = {"x509": {part: file.read_text() for part, file in files.items()}}
            device = leshan_devices.create(name, server=server.coaps_uri, credentials=credentials, register=False)
            try:
                return device.register().ok
            finally:
                device.remove()

        assert registers("x-before", certificates, servers[0])
        assert not registers("x-untrusted", second, servers[0])
        use(servers[1], second)
        reload(server)
        assert registers("x-after", second, servers[1])
        assert not registers("x-forgotten", certificates, servers[1])


# --- settings of Californium


def test_retransmissions_follow_the_settings_of_californium(leshan_devices: Devices) -> None:
    settings = "COAP.ACK_TIMEOUT=200[ms] COAP.MAX_RETRANSMIT=1"
    with leshan_server(options=["--coap-setting", settings]) as server:
        device = leshan_devices.create("deaf", server=server.coap_uri)
        device.sleep()
        started = time.monotonic()
        answer = loopback.get(f"{server.url}/clients/deaf/3/0/0?timeout=20", timeout=30)
        assert (answer.status_code, time.monotonic() - started < 5) == (504, True)
        assert device.datagrams() == {"requests": 2, "dropped": 2}
        device.remove()


# --- permission to register


def test_names_outside_the_allow_list_are_refused_and_the_list_is_reloaded(
    tmp_path: Path, leshan_devices: Devices
) -> None:
    names = tmp_path / "names"
    names.write_text("# ours\nmeter-*\n")
    with leshan_server(options=["--registration-allow", names]) as server:
        meter, other = (
            leshan_devices.create(name, server=server.coap_uri, register=False) for name in ("meter-1", "x")
        )
        assert meter.register().ok
        assert other.register().code == FORBIDDEN
        assert metric(server, 'leshan_registrations_refused_total{reason="allow_list"}') == 1
        names.write_text("x\n")
        reload(server)
        assert other.register().ok
        assert meter.wake().ok, "a registration that there is already stays"
        assert meter.register().code == FORBIDDEN
        for device in (meter, other):
            device.remove()


class Decider:
    """A registration webhook: the requests that it received, and its response."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 204
        self.answers = threading.Event()
        self.answers.set()
        decider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                decider.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                decider.answers.wait(30)
                self.send_response(decider.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/decide"


@pytest.fixture
def decider() -> Iterator[Decider]:
    decider = Decider()
    yield decider
    decider.answers.set()
    decider.server.shutdown()
    decider.server.server_close()


def test_a_webhook_decides_which_devices_register(decider: Decider, leshan_devices: Devices) -> None:
    options = ["--coaps-port", 0, "--registration-webhook", decider.url]
    with leshan_server(options=options) as server:
        entry = {"endpoint": "secure", "tls": {"mode": "psk", "details": {"identity": "secure-id", "key": "00" * 16}}}
        assert loopback.put(f"{server.url}/security/clients", json=entry).is_success
        credentials = {"psk": {"identity": "secure-id", "key": "00" * 16}}
        secure = leshan_devices.create("secure", server=server.coaps_uri, credentials=credentials)
        (post,) = decider.posts
        assert (post["server"], post["endpoint"], post["secure"], post["identity"]) == (
            "leshan",
            "secure",
            True,
            "secure-id",
        )
        assert post["attributes"]["lwm2m"] == "1.1"
        assert secure.register().ok, "the decision is known"
        decider.status = 403
        stranger = leshan_devices.create("stranger", server=server.coap_uri, register=False)
        assert [stranger.register().code for _ in range(2)] == [FORBIDDEN, FORBIDDEN]
        thief = leshan_devices.create("secure", server=server.coap_uri, register=False)
        assert thief.register().code == FORBIDDEN
        assert [post["endpoint"] for post in decider.posts] == ["secure", "stranger"], "the thief is refused without it"
        assert metric(server, 'leshan_registrations_refused_total{reason="webhook"}') == 2
        decider.status = 500
        new = leshan_devices.create("new", server=server.coap_uri, register=False)
        assert new.register().code == UNAVAILABLE
        assert secure.wake().ok
        decider.status = 200
        assert new.register().ok
        for device in (secure, stranger, thief, new):
            device.remove()


def test_an_unresponsive_webhook_delays_no_other_device(decider: Decider, leshan_devices: Devices) -> None:
    with leshan_server(options=["--registration-webhook", decider.url]) as server:
        known = leshan_devices.create("known", server=server.coap_uri)
        decider.answers.clear()
        waiting = [leshan_devices.create(f"waits-{n}", server=server.coap_uri, register=False) for n in range(8)]
        codes: list[int] = []
        threads = [threading.Thread(target=lambda each=each: codes.append(each.register().code)) for each in waiting]
        for thread in threads:
            thread.start()
        within(lambda: len(decider.posts) == 1 + len(waiting))
        started = time.monotonic()
        assert known.wake().ok
        assert known.register().ok
        assert loopback.get(f"{server.url}/clients/known/3/0/0?timeout=20", timeout=30).json()["success"]
        assert time.monotonic() - started < 3, "nobody waits for the webhook but those it decides on"
        for thread in threads:
            thread.join(30)
        assert codes == [UNAVAILABLE] * len(waiting)
        for device in (known, *waiting):
            device.remove()
