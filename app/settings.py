"""Settings: read once, validated at startup, passed down as values. No other module reads the environment.

Every setting is one field of :class:`Settings`; ``tools/settings_table.py`` renders the README's table from them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from app.addresses import (
    check_database_url,
    check_firmware_store,
    check_firmware_url,
    check_jwks_address,
    check_leshan_url,
    check_redis_url,
)
from app.domain.values import MAX_OPAQUE_BYTES
from app.secret_settings import (
    SECRETS,
    SUFFIX,
    check_leshan_headers,
    check_webhook_secret,
    comma_separated,
    secrets_of_files,
)
from app.security import Access, Role, is_loopback, parse_access, parse_token
from app.setting_field import (
    choice,
    existing_file,
    existing_folder,
    flag,
    integer,
    json_object,
    setting,
    string,
    up_to,
)

PREFIX: Final = "REVEILLE_"
TEST_PREFIX: Final = "REVEILLE_TEST_"
"""Prefix of the test suite's variables, which are not settings of the program."""
CLIENT_VARIABLES: Final = frozenset({"REVEILLE_URL", "REVEILLE_TOKEN"})
"""Variables of the clients `reveille status`, `ops`, `pause` and `resume`: address and token. Processes ignore them."""


AWAKE_WINDOW: Final = (5, 86_400)
"""Seconds of the shortest and the longest awake window that a setting or ``updateEndpoint`` may have."""
AWAKE_WINDOW_REASON: Final = "a call begins in the first half of a short window, and may come 2 s after the contact"


class SettingsError(ValueError):
    """A setting is invalid. The message is one line that names it and contains no secret."""


class LeshanEvents(StrEnum):
    """The source of the Leshan server's events."""

    WEBHOOK = "webhook"
    STREAM = "stream"
    BOTH = "both"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _leshan_headers(text: str) -> dict[str, str]:
    return check_leshan_headers(json_object(string)(text))


def _awake_window(text: str) -> int:
    seconds = integer(0)(text)
    if not AWAKE_WINDOW[0] <= seconds <= AWAKE_WINDOW[1]:
        raise ValueError("expected {} to {}: {}".format(*AWAKE_WINDOW, AWAKE_WINDOW_REASON))
    return seconds


_days: Final = integer(1, 36_500)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Field ``database_url`` is the variable ``REVEILLE_DATABASE_URL``.

    Raises:
        ValueError: settings contradict each other; the message names one of them.
    """

    database_url: str = setting(
        "sqlite://.reveille/reveille.db",
        check_database_url,
        "Database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`; "
        "several `HOST:PORT` separated by commas: a primary and its standbys (`docs/failover.md`)",
        secret=True,
    )
    redis_url: str = setting(
        "memory://",
        check_redis_url,
        "Bus between processes: `redis://..`, `rediss://..`, "
        "`redis+sentinel://HOST:PORT,HOST:PORT/SERVICE`, `redis+cluster://HOST:PORT,HOST:PORT` "
        "(`rediss+..` with TLS), or `memory://` for a single process",
        secret=True,
    )
    leshan_url: str | None = setting(
        None,
        check_leshan_url,
        "Address of the Leshan server, without `/api`; without it the built-in simulator is started",
    )
    leshan_name: str = setting("leshan", up_to(64), "Name of the Leshan server, as stored with every endpoint")
    leshan_headers: dict[str, str] = setting(
        {},
        _leshan_headers,
        'Headers of every call to Leshan, a JSON object such as `{"Authorization": "Bearer .."}`',
        secret=True,
    )
    leshan_ca: Path | None = setting(
        None, existing_file, "File with the CA certificates that verify Leshan's certificate"
    )
    leshan_cert: Path | None = setting(None, existing_file, "File with Reveille's client certificate for Leshan")
    leshan_key: Path | None = setting(None, existing_file, "File with its private key, if not in the same file")
    leshan_timeout: int = setting(
        30, integer(1, 600), "Seconds to wait for a device's response, unless the operation sets its own"
    )
    leshan_max_in_flight: int = setting(
        120, integer(1, 100_000), "Maximum open calls to the Leshan server, over all processes"
    )
    leshan_events: LeshanEvents = setting(
        LeshanEvents.BOTH,
        choice(LeshanEvents),
        "Source of events: `webhook`, `stream` or `both` (then readings come from the stream only)",
    )
    leshan_notifications_wake: bool = setting(
        False, flag, "Whether a NOTIFICATION or SEND restarts the awake window at Leshan; stock Leshan: no"
    )
    awake_window: int = setting(
        93,
        _awake_window,
        "Awake window of queue mode devices, in seconds (5 to 86400); must equal the Leshan server's",
    )
    max_attempts: int = setting(
        3, integer(1, 100), "Maximum attempts that may reach the device, unless the operation sets its own"
    )
    max_opaque: int = setting(
        131_072,
        integer(1, MAX_OPAQUE_BYTES),
        f"Maximum bytes of an OPAQUE value in a write, up to {MAX_OPAQUE_BYTES}; a firmware package at "
        "`/5/0/0` needs more than the default, and a Leshan server and device that accept it",
    )
    requests_per_minute: int = setting(
        6_000, integer(0), "Maximum requests of a credential to one API process in a minute; 0: no limit"
    )
    operations_per_minute: int = setting(
        60_000,
        integer(0),
        "Maximum operations that a credential creates by one API process in a minute; 0: no limit",
    )
    max_subscriptions: int = setting(
        2_000, integer(0), "Maximum open subscriptions of a credential at one API process; 0: no limit"
    )
    max_queued: int = setting(10_000, integer(0), "Maximum QUEUED operations of an endpoint; 0: no limit")
    firmware_store: str | None = setting(
        None,
        check_firmware_store,
        "Store of uploaded firmware packages: a directory, or `s3://BUCKET/PREFIX` (needs the extra `s3`); "
        "without it, nothing can be uploaded",
    )
    firmware_url: str | None = setting(
        None,
        check_firmware_url,
        "Address at which devices reach this API to download uploaded packages: `http://HOST:PORT`",
    )
    firmware_max_size: int = setting(268_435_456, integer(1, 2**40), "Maximum bytes of an uploaded package")
    firmware_max_push: int = setting(
        MAX_OPAQUE_BYTES,
        integer(0, MAX_OPAQUE_BYTES),
        "Maximum bytes of a package that is written to a device (method PUSH); 0: none is",
    )
    retention: int = setting(90, _days, "Days to keep ended operations and their transitions")
    reading_retention: int = setting(30, _days, "Days to keep readings; each day is a partition on PostgreSQL")
    aggregate_retention: int = setting(730, _days, "Days to keep the hourly aggregates of readings")
    audit_retention: int = setting(
        365, _days, "Days to keep the audit, and API tokens after they were revoked or expired"
    )
    webhook_secret: str | None = setting(
        None,
        check_webhook_secret,
        "Secret that signs webhook calls (Standard Webhooks, `whsec_..`); two, separated by a comma, while "
        "one is being replaced",
        secret=True,
    )
    webhook_token: str | None = setting(
        None,
        parse_token,
        "Bearer token of webhook calls, also the one in `/w/{token}/..`; at least 16 characters",
        secret=True,
    )
    auth: tuple[Access, ...] = setting(
        (),
        parse_access,
        "API tokens: `name:role:token`, separated by commas; roles `viewer`, `operator` and `admin`",
        secret=True,
    )
    jwt_issuer: str | None = setting(
        None, string, "Issuer (`iss`) of the JWTs of an identity provider that are accepted as tokens"
    )
    jwt_audience: str | None = setting(None, string, "Audience (`aud`) that these JWTs must have")
    jwt_jwks: str | None = setting(None, check_jwks_address, "Address of the provider's keys (JWKS), `https://..`")
    jwt_role_claim: str = setting(
        "roles", string, "Claim with the roles, a list or a text; `a.b` is claim `b` within `a`"
    )
    jwt_roles: dict[str, Role] = setting(
        {},
        json_object(choice(Role)),
        'Role by value of that claim, a JSON object such as `{"fleet-team": "operator"}`; without it the '
        "values are `viewer`, `operator` and `admin`",
    )
    jwt_name_claim: str = setting("sub", string, "Claim with the name of the caller")
    host: str = setting("127.0.0.1", string, "Address to serve on")
    port: int = setting(8000, integer(0, 65_535), "Port to serve on; 0 picks a free one")
    allow_open: bool = setting(
        False, flag, "Serve all callers without a token if AUTH is empty, also on addresses other than loopback"
    )
    allowed_origins: tuple[str, ...] = setting(
        (), comma_separated, "Origins of other web pages that may call the API, separated by commas; `*` allows all"
    )
    trusted_documents: Path | None = setting(
        None, existing_folder, "Folder of trusted documents: `*.graphql`, or `*.json` with documents by their hashes"
    )
    trusted_documents_only: bool = setting(
        False, flag, "Execute trusted documents only: those of the folder, and those that Reveille ships"
    )
    introspection: bool = setting(True, flag, "Whether clients may read the schema by introspection")
    log_format: LogFormat = setting(LogFormat.TEXT, choice(LogFormat), "`text` or `json`")
    log_level: LogLevel = setting(
        LogLevel.INFO,
        choice(LogLevel),
        "Minimum level of Reveille's lines (`debug`, `info`, `warning`, `error`); libraries: warning",
    )
    simulate_devices: int = setting(10, integer(0, 100_000), "Sleeping devices of the built-in simulator")
    simulate_seed: int = setting(1, integer(0), "Seed of the built-in simulator; equal seeds, equal runs")

    def __post_init__(self) -> None:
        self._check_together()
        self._check_certificates()

    def _check_together(self) -> None:
        if self.leshan_key and not self.leshan_cert:
            raise ValueError(f"{PREFIX}LESHAN_KEY: missing certificate; expected {PREFIX}LESHAN_CERT beside the key")
        provider = {"JWT_ISSUER": self.jwt_issuer, "JWT_AUDIENCE": self.jwt_audience, "JWT_JWKS": self.jwt_jwks}
        missing = [name for name, value in provider.items() if value is None]
        if 0 < len(missing) < len(provider):
            raise ValueError(f"{PREFIX}{missing[0]}: missing; expected {', '.join(provider)} together")
        if not (is_loopback(self.host) or self.auth or self.jwt_issuer or self.allow_open):
            raise ValueError(
                f"{PREFIX}HOST: without tokens in {PREFIX}AUTH, only loopback is served; "
                f"set tokens, or {PREFIX}ALLOW_OPEN=true"
            )

    def _check_certificates(self) -> None:
        """Check the certificates at startup: at the first call, the error would not name the setting."""
        if not (self.leshan_ca or self.leshan_cert):
            return
        try:
            context = ssl.create_default_context(cafile=self.leshan_ca)
        except OSError:
            raise ValueError(f"{PREFIX}LESHAN_CA: expected a file with certificates in PEM format") from None
        if self.leshan_cert:
            try:
                context.load_cert_chain(self.leshan_cert, self.leshan_key, password="")
            except (OSError, ValueError):
                raise ValueError(
                    f"{PREFIX}LESHAN_CERT: expected a certificate and its key without a password, in PEM format"
                ) from None

    @property
    def trusts_loopback(self) -> bool:
        """Return whether callers on this machine need no token: only if nothing configured authenticates callers.

        All requests through a proxy on the same machine come from loopback; one that adds no header is not detectable.
        """
        return not (self.auth or self.jwt_issuer or self.webhook_secret or self.webhook_token)

    @property
    def uses_stream(self) -> bool:
        """Return whether events come by the event stream."""
        return self.leshan_events != LeshanEvents.WEBHOOK

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets of the webhook: two while one is being replaced."""
        return comma_separated(self.webhook_secret) if self.webhook_secret else ()

    @property
    def allows_open_access(self) -> bool:
        """Return whether callers that are served need no credential, as long as the database has no API token."""
        return not (self.auth or self.jwt_issuer) and (self.allow_open or self.trusts_loopback)

    @property
    def is_embedded_database(self) -> bool:
        return self.database_url.startswith("sqlite:")


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: with one line that names every invalid setting.
    """
    known = {variable(field.name) for field in fields(Settings)} | {variable(name) + SUFFIX for name in SECRETS}
    unknown = [name for name in os.environ if _is_setting(name) and name.upper() not in known | CLIENT_VARIABLES]
    if unknown:
        raise SettingsError("; ".join(_unknown(name, known) for name in sorted(unknown)))
    variables = _variables(PREFIX)
    try:
        return Settings(**_values(variables, secrets_of_files(variables, PREFIX)))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _is_setting(name: str) -> bool:
    return name.upper().startswith(PREFIX) and not name.upper().startswith(TEST_PREFIX)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1)
    return f"{name}: unknown setting" + (f"; did you mean {near[0]}?" if near else "")


def _variables(prefix: str) -> dict[str, str]:
    """Return the environment variables with this prefix that are not empty, by their names in upper case."""
    return {name.upper(): value for name, value in os.environ.items() if value and name.upper().startswith(prefix)}


def _values(variables: Mapping[str, str], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the fields that have a text: in a file, or else in a variable.

    Raises:
        ValueError: with one line that names every invalid one.
    """
    values: dict[str, Any] = {}
    problems = []
    for field in fields(Settings):
        name = variable(field.name)
        in_file = field.name in files
        source, text = (name + SUFFIX, files[field.name]) if in_file else (name, variables.get(name))
        try:
            if text is not None:
                values[field.name] = field.metadata["read"](text)
        except (ValueError, OSError) as error:
            problems.append(" ".join(f"{source}: {error}".split()))
    if problems:
        raise ValueError("; ".join(problems))
    return values


def traces_exporter() -> str:
    """Return the exporter that the variables of OpenTelemetry's specification choose, ``none`` if spans are not to be
    recorded: without a choice, ``otlp`` if there is an address. All other variables are read by its SDK."""
    variables = _variables("OTEL_")
    if variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return "none"
    has_address = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} & variables.keys()
    return variables.get("OTEL_TRACES_EXPORTER") or ("otlp" if has_address else "none")
