"""Settings: read from the environment once, refused with one line that names the error and reveals no secret."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from app.security import Role
from app.settings import LeshanEvents, Settings, SettingsError, load_settings, variable
from tests.integration.ledger.test_sqlite_file import read_only
from tools.settings_table import README, filled, settings_table

TOKEN = "correct-horse-battery"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def load(environment: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        environment.setenv(f"REVEILLE_{name}", value)
    return load_settings()


def test_the_defaults_serve_only_this_machine(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load(clean_environment)
    assert settings.database_url == "sqlite://.reveille/reveille.db"
    assert settings.redis_url == "memory://"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.leshan_url is None
    assert settings.auth == ()
    assert (settings.leshan_timeout, settings.leshan_max_in_flight, settings.awake_window) == (30, 120, 93)


def test_a_sqlite_file_may_be_new_empty_or_in_a_new_folder(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    for name in ("new.db", "empty.db", "a/b/c.db"):
        assert load(clean_environment, DATABASE_URL=f"sqlite://{tmp_path / name}").is_embedded_database


def test_a_sqlite_file_has_to_be_writable(clean_environment: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as own:
        (Path(own) / "reveille.db").touch()
        with read_only(Path(own)):
            for name in ("reveille.db", "new.db", "new/folder.db"):
                with pytest.raises(SettingsError, match=r"^REVEILLE_DATABASE_URL: no permission to [^\n]*$"):
                    load(clean_environment, DATABASE_URL=f"sqlite://{own}/{name}")


def test_every_form_is_read(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load(
        clean_environment,
        DATABASE_URL="postgres://joe@db/reveille",
        REDIS_URL="rediss://cache:6380/3",
        LESHAN_URL="https://leshan.example.org/lwm2m/",
        LESHAN_HEADERS='{"Authorization": "Bearer x"}',
        LESHAN_EVENTS="stream",
        LESHAN_NOTIFICATIONS_WAKE="true",
        AUTH=f"joe:operator:{TOKEN}, eve:viewer:{TOKEN}2",
        HOST="0.0.0.0",
        ALLOWED_ORIGINS="https://a.example.org, https://b.example.org",
        WEBHOOK_SECRET=SECRET,
        FIRMWARE_STORE="s3://bucket/prefix",
        FIRMWARE_URL="http://[2001:db8::1]:8000/",
    )
    assert settings.firmware_url == "http://[2001:db8::1]:8000"
    assert settings.leshan_url == "https://leshan.example.org/lwm2m"
    assert settings.leshan_headers == {"Authorization": "Bearer x"}
    assert settings.leshan_events is LeshanEvents.STREAM
    assert [(entry.name, entry.role) for entry in settings.auth] == [("joe", Role.OPERATOR), ("eve", Role.VIEWER)]
    assert settings.allowed_origins == ("https://a.example.org", "https://b.example.org")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "mysql://joe:hush@db/reveille", "expected sqlite://"),
        ("FIRMWARE_STORE", "s3://", "expected the path of a directory, or s3://"),
        ("FIRMWARE_STORE", "gs://bucket", "expected the path of a directory, or s3://"),
        ("FIRMWARE_URL", "coap://host", "expected http://HOST"),
        ("FIRMWARE_URL", "http://host/?a=b", "expected http://HOST"),
        ("FIRMWARE_URL", "http://host/" + "x" * 178, "expected at most 189 ASCII characters"),
        ("FIRMWARE_MAX_PUSH", "1048577", "less than or equal to 1048576"),
        ("DATABASE_URL", "sqlite://", "expected a file"),
        ("DATABASE_URL", "sqlite:///", "expected a file"),
        ("DATABASE_URL", "sqlite://:memory:", "an in-memory database is not supported"),
        ("DATABASE_URL", "sqlite:///reveille.db?mode=ro", "without `?` and `#`"),
        ("DATABASE_URL", f"sqlite://{Path(__file__).parent}", "is a folder"),
        ("DATABASE_URL", f"sqlite://{Path(__file__).parent}/", "expected a file"),
        ("DATABASE_URL", f"sqlite://{__file__}", "is not an SQLite database"),
        ("DATABASE_URL", f"sqlite://{__file__}/x.db", "is not a folder"),
        ("DATABASE_URL", f"sqlite://{__file__}/x/y.db", "is not a folder"),
        ("DATABASE_URL", "sqlite:///dev/null", "is not a regular file"),
        ("DATABASE_URL", f"sqlite:///{'x' * 250}", "File name too long"),
        ("DATABASE_URL", "postgres://joe:hush@db/reveille?port=x", "expected a port"),
        ("AWAKE_WINDOW", "4", "expected 5 to 86400: a call begins in the first half"),
        ("AWAKE_WINDOW", "86401", "expected 5 to 86400"),
        ("DATABASE_URL", "postgres://joe:hush@db:port/reveille", "expected a port"),
        ("DATABASE_URL", "postgres://joe:hush@a:1,b:port/reveille", "expected a port"),
        ("DATABASE_URL", "postgres://joe:hush@a:1,b:65536/reveille", "expected a port"),
        ("DATABASE_URL", "postgres://joe:hush@a,,b/reveille", "expected a host before each comma"),
        ("DATABASE_URL", "postgres://joe:hush@a,/reveille", "expected a host before each comma and after the last"),
        ("DATABASE_URL", "postgres://joe:hush/x@a/reveille", "expected a port"),
        ("DATABASE_URL", f"postgres://joe:hush@{','.join('a' * 17)}/reveille", "expected at most 16 hosts"),
        ("DATABASE_URL", "postgres://joe:hush@/x?host=a,b,c&port=1,2", "expected one port, or one for each of the 3"),
        ("DATABASE_URL", "postgres://joe:hush@a,b/x?target_session_attrs=any", "target_session_attrs=read-write or"),
        ("DATABASE_URL", "postgres://joe:hush@a/x?target_session_attrs=standby", "which only a primary accepts"),
        ("REDIS_URL", "redis+sentinel://:hush@a,b", "expected the name of the primary"),
        ("REDIS_URL", "redis+sentinel://:hush@a,b/mymaster/x", "expected the number of the database"),
        ("REDIS_URL", "redis+sentinel://:hush@/mymaster", "expected a host"),
        ("REDIS_URL", "rediss+cluster://:hush@a:x,b", "expected a port"),
        ("REDIS_URL", "redis+cluster://:hush@a,b/1", "a Cluster has only database 0"),
        ("REDIS_URL", "redis+unix://hush", "expected memory://"),
        ("REDIS_URL", "http://cache", "expected memory://"),
        ("REDIS_URL", "redis://:hush@cache:99999", "expected a port"),
        ("LESHAN_URL", "http://leshan:port", "expected a port"),
        ("LESHAN_URL", "leshan:8080", "expected http://HOST"),
        ("LESHAN_URL", "http://joe:hush@leshan", "credentials go to LESHAN_HEADERS"),
        ("LESHAN_HEADERS", "Authorization: hush", "expected a JSON object"),
        ("LESHAN_HEADERS", '{"a b": "hush"}', "header names"),
        ("LESHAN_HEADERS", '{"a": "hush\\r\\nb: c"}', "the value of a must be printable ASCII"),
        ("LESHAN_HEADERS", '{"Authorization": "hush \u00e9"}', "the value of Authorization must be printable ASCII"),
        ("LESHAN_HEADERS", '{"Authorization": "hush \\u001b"}', "the value of Authorization must be printable ASCII"),
        ("LESHAN_HEADERS", '{"host": "hush"}', "host is set by Reveille itself"),
        ("LESHAN_HEADERS", '{"Content-Length": "7"}', "Content-Length is set by Reveille itself"),
        ("LESHAN_HEADERS", '{"Transfer-Encoding": "hush"}', "Transfer-Encoding is set by Reveille itself"),
        ("LESHAN_CA", "/nowhere/ca.pem", "no such file"),
        ("LESHAN_CA", __file__, "expected a file with certificates in PEM format"),
        ("LESHAN_CERT", __file__, "its key without a password"),
        ("LESHAN_HEADERS", '{"a": 1, "b": "hush"}', "a JSON object whose values are strings"),
        ("LESHAN_NAME", "hush" * 17, "at most 64 characters"),
        ("LESHAN_TIMEOUT", "0", "greater than or equal to 1"),
        ("LESHAN_TIMEOUT", f"{'9' * 5000}", "valid integer"),
        ("ALLOW_OPEN", "maybe", "expected true or false"),
        ("TRUSTED_DOCUMENTS", __file__, "no such folder"),
        ("LESHAN_EVENTS", "carrier-pigeon", "'webhook', 'stream' or 'both'"),
        ("AWAKE_WINDOW", "soon", "valid integer"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("WEBHOOK_SECRET", "hush", "Standard Webhooks"),
        ("WEBHOOK_SECRET", ",", "one secret, or two"),
        ("WEBHOOK_SECRET", f"{SECRET},{SECRET},{SECRET}", "one secret, or two"),
        ("WEBHOOK_SECRET", f"{SECRET},hush", "Standard Webhooks"),
        ("WEBHOOK_TOKEN", "hush", "token too short; expected at least 16 characters"),
        ("WEBHOOK_TOKEN", "hush hush hush hush", "letters, digits"),
        ("AUTH", f"joe:{TOKEN}", "name:role:token"),
        ("AUTH", f"jo\udcffe:viewer:{TOKEN}", "printable"),
        ("AUTH", f"{'j' * 256}:viewer:{TOKEN}", "at most 255 printable characters"),
        ("AUTH", f"joe:root:{TOKEN}", "operator or admin"),
        ("AUTH", "joe:viewer:hush", "token too short; expected at least 16 characters"),
        ("AUTH", f"joe:viewer:{TOKEN},eve:viewer:{TOKEN}", "duplicate token"),
        ("HOST", "0.0.0.0", "REVEILLE_ALLOW_OPEN"),
        ("LESHAN_KEY", __file__, "REVEILLE_LESHAN_CERT"),
        ("JWT_JWKS", "file:///etc/passwd", "https://HOST"),
        ("JWT_JWKS", "https://", "https://HOST"),
        ("JWT_ROLES", '{"team": "root"}', "'viewer', 'operator' or 'admin'"),
        ("JWT_ROLES", "team:admin", "a JSON object"),
        ("LOG_LEVEL", "loud", "'debug', 'info'"),
        ("LESHAN_ULR", "http://leshan", "unknown setting; did you mean REVEILLE_LESHAN_URL?"),
    ],
)
def test_an_invalid_setting_is_named_in_one_line_without_its_secret(
    clean_environment: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(clean_environment, **{name: value})
    line = str(caught.value)
    assert line.startswith(f"REVEILLE_{name}: ")
    assert says in line
    assert "\n" not in line
    assert "hush" not in line
    assert TOKEN not in line


@pytest.mark.parametrize(("text", "value"), [("true", True), ("YES", True), ("1", True), ("Off", False), ("f", False)])
def test_a_truth_value_has_several_forms(clean_environment: pytest.MonkeyPatch, text: str, value: bool) -> None:
    assert load(clean_environment, INTROSPECTION=text).introspection is value


def test_an_empty_variable_is_ignored_and_names_have_no_case(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("reveille_retention", "7")
    assert load(clean_environment, PORT="", LESHAN_URL="").port == 8000
    assert load(clean_environment).retention == 7


def test_all_invalid_settings_are_named_at_once(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"REVEILLE_RETENTION: .*; REVEILLE_PORT: "):
        load(clean_environment, PORT="x", RETENTION="y")


def test_open_access_must_be_configured_explicitly(clean_environment: pytest.MonkeyPatch) -> None:
    assert load(clean_environment, HOST="0.0.0.0", ALLOW_OPEN="true").allow_open


def test_a_secret_may_come_from_a_file(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contents = {
        "DATABASE_URL": "postgres://joe:hush@db/reveille\n",
        "REDIS_URL": "redis://:hush@bus\r\n",
        "LESHAN_HEADERS": '{"Authorization": "Bearer hush"}\n',
        "WEBHOOK_SECRET": f"{SECRET},{SECRET}",
        "WEBHOOK_TOKEN": TOKEN,
        "AUTH": f"joe:admin:{TOKEN}",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    settings = load(clean_environment, **{f"{name}_FILE": str(tmp_path / name) for name in contents})
    assert settings.database_url == "postgres://joe:hush@db/reveille"
    assert settings.redis_url == "redis://:hush@bus"
    assert settings.leshan_headers == {"Authorization": "Bearer hush"}
    assert settings.webhook_secrets == (SECRET, SECRET)
    assert settings.webhook_token == TOKEN
    assert settings.auth[0].token == TOKEN
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("AUTH", None, "No such file"),
        ("AUTH", b"", "empty"),
        ("AUTH", b" \n", "empty"),
        ("AUTH", b"\xff" * 40, "UTF-8"),
        ("AUTH", b"x" * 70_000, "at most 65536 bytes"),
        ("LESHAN_HEADERS", b"hush", "a JSON object"),
        ("LESHAN_HEADERS", b"[" * 60_000, "a JSON object"),
        ("LESHAN_HEADERS", b'{"host": "hush"}', "host is set by Reveille itself"),
        ("AUTH", b"joe:hush", "name:role:token"),
    ],
)
def test_a_secret_s_unusable_file_is_named(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(clean_environment, **{f"{name}_FILE": str(file)})
    line = str(caught.value)
    assert line.startswith(f"REVEILLE_{name}_FILE: ")
    assert says in line
    assert "hush" not in line


def test_a_secret_is_given_once_and_only_secrets_have_files(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"REVEILLE_AUTH_FILE: .*not a regular file"):
        load(clean_environment, AUTH_FILE=str(tmp_path))
    with pytest.raises(SettingsError, match="REVEILLE_AUTH_FILE: REVEILLE_AUTH is set, too"):
        load(clean_environment, AUTH=f"joe:admin:{TOKEN}")
    clean_environment.delenv("REVEILLE_AUTH")
    clean_environment.delenv("REVEILLE_AUTH_FILE")
    with pytest.raises(SettingsError, match="REVEILLE_PORT_FILE: unknown setting"):
        load(clean_environment, PORT_FILE=str(tmp_path))


def test_the_settings_of_an_identity_provider_belong_together(clean_environment: pytest.MonkeyPatch) -> None:
    given = {"JWT_ISSUER": "https://idp", "JWT_AUDIENCE": "reveille", "JWT_JWKS": "https://idp/jwks"}
    settings = load(clean_environment, HOST="0.0.0.0", **given)
    assert not settings.trusts_loopback
    assert not settings.allows_open_access
    for name, value in given.items():
        clean_environment.delenv(f"REVEILLE_{name}")
        with pytest.raises(SettingsError, match=f"REVEILLE_{name}: missing"):
            load(clean_environment)
        clean_environment.setenv(f"REVEILLE_{name}", value)


def test_variables_of_the_tests_are_no_settings(clean_environment: pytest.MonkeyPatch) -> None:
    load(clean_environment, TEST_LESHAN="http://leshan")


def test_no_secret_is_shown(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load(
        clean_environment,
        DATABASE_URL="postgres://joe:hush@db/reveille",
        REDIS_URL="redis://:hush@cache",
        LESHAN_HEADERS='{"Authorization": "hush"}',
        AUTH="joe:viewer:hush-hush-hush-hush",
        WEBHOOK_TOKEN="hush-hush-hush-hush",
        WEBHOOK_SECRET=SECRET,
    )
    assert "hush" not in repr(settings) + str(settings.auth)
    assert SECRET not in repr(settings)


def test_the_table_has_every_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [variable(field.name) for field in fields(Settings)]


def test_the_readme_has_the_current_table() -> None:
    text = README.read_text()
    assert filled(text) == text, "run `make schema`"


def test_a_readme_without_exactly_one_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exactly one table"):
        filled("# Reveille")
