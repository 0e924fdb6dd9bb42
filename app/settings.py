"""Settings: read once, validated at startup, passed down as values. No other module reads the environment.

Every setting is one field of :class:`Settings`; ``tools/settings_table.py`` renders the README's table from them.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.addresses import check_database_url, check_firmware_store, check_firmware_url, check_port, check_redis_url
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


def _leshan_url(url: str) -> str:
    parts = urlsplit(url)
    check_port(parts)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected http://HOST.. or https://HOST..")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("expected an address without user, query and fragment; credentials go to LESHAN_HEADERS")
    return url.rstrip("/")


def _jwks_address(url: str) -> str:
    parts = urlsplit(url)
    check_port(parts)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError("expected https://HOST..")
    return url


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


def _token(secret: SecretStr) -> SecretStr:
    parse_token(secret.get_secret_value())
    return secret


def _awake_window(seconds: int) -> int:
    if not AWAKE_WINDOW[0] <= seconds <= AWAKE_WINDOW[1]:
        raise ValueError("expected {} to {}: {}".format(*AWAKE_WINDOW, AWAKE_WINDOW_REASON))
    return seconds


def _access(value: object) -> object:
    return parse_access(value) if isinstance(value, str) else value


def _origins(value: object) -> object:
    return comma_separated(value) if isinstance(value, str) else value


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("no such folder")
    return path


ExistingFile = Annotated[Path, AfterValidator(_file)]
ExistingFolder = Annotated[Path, AfterValidator(_folder)]


class Settings(BaseSettings):
    """All settings. Field ``database_url`` is the variable ``REVEILLE_DATABASE_URL``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(check_database_url)] = Field(
        "sqlite://.reveille/reveille.db",
        repr=False,
        description="Database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`; "
        "several `HOST:PORT` separated by commas: a primary and its standbys (`docs/failover.md`)",
    )
    redis_url: Annotated[str, AfterValidator(check_redis_url)] = Field(
        "memory://",
        repr=False,
        description="Bus between processes: `redis://..`, `rediss://..`, "
        "`redis+sentinel://HOST:PORT,HOST:PORT/SERVICE`, `redis+cluster://HOST:PORT,HOST:PORT` "
        "(`rediss+..` with TLS), or `memory://` for a single process",
    )
    leshan_url: Annotated[str, AfterValidator(_leshan_url)] | None = Field(
        None, description="Address of the Leshan server, without `/api`; without it the built-in simulator is started"
    )
    leshan_name: str = Field(
        "leshan", min_length=1, max_length=64, description="Name of the Leshan server, as stored with every endpoint"
    )
    leshan_headers: Annotated[dict[str, str], AfterValidator(check_leshan_headers)] = Field(
        default_factory=dict,
        repr=False,
        description='Headers of every call to Leshan, a JSON object such as `{"Authorization": "Bearer .."}`',
    )
    leshan_ca: ExistingFile | None = Field(
        None, description="File with the CA certificates that verify Leshan's certificate"
    )
    leshan_cert: ExistingFile | None = Field(None, description="File with Reveille's client certificate for Leshan")
    leshan_key: ExistingFile | None = Field(None, description="File with its private key, if not in the same file")
    leshan_timeout: int = Field(
        30, ge=1, le=600, description="Seconds to wait for a device's response, unless the operation sets its own"
    )
    leshan_max_in_flight: int = Field(
        120, ge=1, le=100_000, description="Maximum open calls to the Leshan server, over all processes"
    )
    leshan_events: LeshanEvents = Field(
        LeshanEvents.BOTH,
        description="Source of events: `webhook`, `stream` or `both` (then readings come from the stream only)",
    )
    leshan_notifications_wake: bool = Field(
        False, description="Whether a NOTIFICATION or SEND restarts the awake window at Leshan; stock Leshan: no"
    )
    awake_window: Annotated[int, AfterValidator(_awake_window)] = Field(
        93, description="Awake window of queue mode devices, in seconds (5 to 86400); must equal the Leshan server's"
    )
    max_attempts: int = Field(
        3, ge=1, le=100, description="Maximum attempts that may reach the device, unless the operation sets its own"
    )
    max_opaque: int = Field(
        131_072,
        ge=1,
        le=MAX_OPAQUE_BYTES,
        description=f"Maximum bytes of an OPAQUE value in a write, up to {MAX_OPAQUE_BYTES}; a firmware package at "
        "`/5/0/0` needs more than the default, and a Leshan server and device that accept it",
    )
    requests_per_minute: int = Field(
        6_000, ge=0, description="Maximum requests of a credential to one API process in a minute; 0: no limit"
    )
    operations_per_minute: int = Field(
        60_000,
        ge=0,
        description="Maximum operations that a credential creates by one API process in a minute; 0: no limit",
    )
    max_subscriptions: int = Field(
        2_000, ge=0, description="Maximum open subscriptions of a credential at one API process; 0: no limit"
    )
    max_queued: int = Field(10_000, ge=0, description="Maximum QUEUED operations of an endpoint; 0: no limit")
    firmware_store: Annotated[str, AfterValidator(check_firmware_store)] | None = Field(
        None,
        description="Store of uploaded firmware packages: a directory, or `s3://BUCKET/PREFIX` (needs the extra `s3`); "
        "without it, nothing can be uploaded",
    )
    firmware_url: Annotated[str, AfterValidator(check_firmware_url)] | None = Field(
        None, description="Address at which devices reach this API to download uploaded packages: `http://HOST:PORT`"
    )
    firmware_max_size: int = Field(268_435_456, ge=1, le=2**40, description="Maximum bytes of an uploaded package")
    firmware_max_push: int = Field(
        MAX_OPAQUE_BYTES,
        ge=0,
        le=MAX_OPAQUE_BYTES,
        description="Maximum bytes of a package that is written to a device (method PUSH); 0: none is",
    )
    retention: int = Field(90, ge=1, le=36_500, description="Days to keep ended operations and their transitions")
    reading_retention: int = Field(
        30, ge=1, le=36_500, description="Days to keep readings; each day is a partition on PostgreSQL"
    )
    aggregate_retention: int = Field(730, ge=1, le=36_500, description="Days to keep the hourly aggregates of readings")
    audit_retention: int = Field(
        365, ge=1, le=36_500, description="Days to keep the audit, and API tokens after they were revoked or expired"
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(check_webhook_secret)] | None = Field(
        None,
        description="Secret that signs webhook calls (Standard Webhooks, `whsec_..`); two, separated by a comma, while "
        "one is being replaced",
    )
    webhook_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        None, description="Bearer token of webhook calls, also the one in `/w/{token}/..`; at least 16 characters"
    )
    auth: Annotated[tuple[Access, ...], NoDecode, BeforeValidator(_access)] = Field(
        (),
        repr=False,
        description="API tokens: `name:role:token`, separated by commas; roles `viewer`, `operator` and `admin`",
    )
    jwt_issuer: str | None = Field(
        None, min_length=1, description="Issuer (`iss`) of the JWTs of an identity provider that are accepted as tokens"
    )
    jwt_audience: str | None = Field(None, min_length=1, description="Audience (`aud`) that these JWTs must have")
    jwt_jwks: Annotated[str, AfterValidator(_jwks_address)] | None = Field(
        None, description="Address of the provider's keys (JWKS), `https://..`"
    )
    jwt_role_claim: str = Field(
        "roles", min_length=1, description="Claim with the roles, a list or a text; `a.b` is claim `b` within `a`"
    )
    jwt_roles: dict[str, Role] = Field(
        default_factory=dict,
        description='Role by value of that claim, a JSON object such as `{"fleet-team": "operator"}`; without it the '
        "values are `viewer`, `operator` and `admin`",
    )
    jwt_name_claim: str = Field("sub", min_length=1, description="Claim with the name of the caller")
    host: str = Field("127.0.0.1", min_length=1, description="Address to serve on")
    port: int = Field(8000, ge=0, le=65_535, description="Port to serve on; 0 picks a free one")
    allow_open: bool = Field(
        False, description="Serve all callers without a token if AUTH is empty, also on addresses other than loopback"
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        (), description="Origins of other web pages that may call the API, separated by commas; `*` allows all"
    )
    trusted_documents: ExistingFolder | None = Field(
        None, description="Folder of trusted documents: `*.graphql`, or `*.json` with documents by their hashes"
    )
    trusted_documents_only: bool = Field(
        False, description="Execute trusted documents only: those of the folder, and those that Reveille ships"
    )
    introspection: bool = Field(True, description="Whether clients may read the schema by introspection")
    log_format: LogFormat = Field(LogFormat.TEXT, description="`text` or `json`")
    log_level: LogLevel = Field(
        LogLevel.INFO,
        description="Minimum level of Reveille's lines (`debug`, `info`, `warning`, `error`); libraries: warning",
    )
    simulate_devices: int = Field(10, ge=0, le=100_000, description="Sleeping devices of the built-in simulator")
    simulate_seed: int = Field(1, ge=0, description="Seed of the built-in simulator; equal seeds, equal runs")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
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
        return self

    @model_validator(mode="after")
    def _check_certificates(self) -> Self:
        """Check the certificates at startup: at the first call, the error would not name the setting."""
        if not (self.leshan_ca or self.leshan_cert):
            return self
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
        return self

    @property
    def trusts_loopback(self) -> bool:
        """Return whether callers on this machine need no token: only if nothing configured authenticates callers.

        All requests through a proxy on the same machine come from loopback; one that adds no header is not detectable.
        """
        return not (self.auth or self.jwt_issuer or self.webhook_secret or self.webhook_token)

    @property
    def uses_stream(self) -> bool:
        """Return whether events come by the event stream."""
        return self.leshan_events is not LeshanEvents.WEBHOOK

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets of the webhook: two while one is being replaced."""
        return comma_separated(self.webhook_secret.get_secret_value()) if self.webhook_secret else ()

    @property
    def allows_open_access(self) -> bool:
        """Return whether callers that are served need no credential, as long as the database has no API token."""
        return not (self.auth or self.jwt_issuer) and (self.allow_open or self.trusts_loopback)

    @property
    def is_embedded_database(self) -> bool:
        return self.database_url.startswith("sqlite:")


class TracingVariables(BaseSettings):
    """The variables of OpenTelemetry's specification that decide whether spans are recorded. All others are read by its
    SDK."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True)

    sdk_disabled: str = "false"
    traces_exporter: str | None = None
    exporter_otlp_endpoint: str | None = None
    exporter_otlp_traces_endpoint: str | None = None

    @property
    def exporter(self) -> str:
        """The chosen exporter: without a choice, ``otlp`` if there is an address, otherwise ``none``."""
        if self.sdk_disabled.lower() == "true":
            return "none"
        address = self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint
        return self.traces_exporter or ("otlp" if address else "none")


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: with one line that names every invalid setting.
    """
    known = {variable(name) for name in Settings.model_fields} | {variable(name) + SUFFIX for name in SECRETS}
    unknown = [name for name in os.environ if _is_setting(name) and name.upper() not in known | CLIENT_VARIABLES]
    if unknown:
        raise SettingsError("; ".join(_unknown(name, known) for name in sorted(unknown)))
    try:
        given = secrets_of_files(os.environ, PREFIX)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_messages(error))) from None
    except ValueError as error:  # pydantic-settings could not decode JSON
        raise SettingsError(_undecoded(error)) from None


def _is_setting(name: str) -> bool:
    return name.upper().startswith(PREFIX) and not name.upper().startswith(TEST_PREFIX)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1)
    return f"{name}: unknown setting" + (f"; did you mean {near[0]}?" if near else "")


def _messages(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        text = item["msg"].removeprefix("Value error, ")
        names = [part for part in item["loc"] if part in Settings.model_fields]
        yield " ".join((f"{variable(str(names[0]))}: {text}" if names else text).split())


def _undecoded(error: ValueError) -> str:
    field = re.search(r'field "(\w+)"', str(error))
    return f"{variable(field[1]) if field else PREFIX + '*'}: expected a JSON object"
