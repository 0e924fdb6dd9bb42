"""Addresses of the database, of Redis, and of firmware packages. PostgreSQL with standbys, Redis Sentinel and Redis
Cluster have several hosts."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit

MAX_HOSTS: Final = 16
POSTGRES_PORT: Final = 5432
REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_DATABASE_SCHEMES: Final = ("sqlite", "postgres", "postgresql")
_REDIS_SCHEMES: Final = (
    *("memory", "redis", "rediss", "unix"),
    *("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
)

_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]\s]+))(?::(?P<port>[0-9]{0,5}))?")
_PORT_EXPECTED: Final = "expected a port of 0 to 65535 after the host, or none"


def check_database_url(url: str) -> str:
    """Return the URL, or raise ValueError with the problem and the expected value."""
    if _scheme(url, _DATABASE_SCHEMES) == "sqlite":
        _check_sqlite_path(url.removeprefix("sqlite://"))
    else:
        postgres_address(url)
    return url


def check_redis_url(url: str) -> str:
    """Return the URL, or raise ValueError with the problem and the expected value."""
    _scheme(url, _REDIS_SCHEMES)
    redis_address(url)
    return url


MAX_FIRMWARE_URL: Final = 189
"""Maximum bytes: a package's address is 66 bytes longer, and a device's Package URI has 255."""
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9._/-]*)?")


def check_firmware_store(text: str) -> str:
    """Return the store's address, or raise ValueError with the expected value."""
    if "://" in text and not _BUCKET.fullmatch(text):
        raise ValueError("expected the path of a directory, or s3://BUCKET/PREFIX")
    return text


def check_firmware_url(url: str) -> str:
    """Return the address without a slash at its end, or raise ValueError with the expected value."""
    parts = urlsplit(url)
    check_port(parts)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected http://HOST.. or https://HOST.. without query and fragment")
    if not re.fullmatch(rf"[!-~]{{1,{MAX_FIRMWARE_URL}}}", url):
        raise ValueError(f"expected at most {MAX_FIRMWARE_URL} ASCII characters: a device's Package URI has 255 bytes")
    return url.rstrip("/")


def _scheme(url: str, allowed: Iterable[str]) -> str:
    if (scheme := urlsplit(url).scheme) not in allowed:
        raise ValueError("expected " + " or ".join(f"{one}://.." for one in allowed))
    return scheme


class Host(NamedTuple):
    """A host name, an IP address or the folder of a Unix socket, and a port."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Target(StrEnum):
    """The parameter ``target_session_attrs`` of a PostgreSQL URL, as far as it makes sense for a program that writes:
    any server, a server that is no standby, or one that also accepts writes by default."""

    ANY = "any"
    PRIMARY = "primary"
    READ_WRITE = "read-write"


class PostgresAddress(NamedTuple):
    """The hosts of a PostgreSQL URL, none if the driver's environment variables name them; ``target`` is always a
    primary if there are several."""

    hosts: tuple[Host, ...]
    target: Target


def postgres_address(url: str) -> PostgresAddress:
    """Return the hosts of ``postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME?target_session_attrs=read-write``.

    As in libpq, the hosts may also be the parameters ``host`` and ``port``, which are lists, too.

    Raises:
        ValueError: with the problem and the expected value, without any part of the URL.
    """
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    listed = parts.netloc.rpartition("@")[2]
    ports = _ports(query.get("port", ""))
    if listed:
        hosts = _hosts(unquote(listed), POSTGRES_PORT)
    else:
        hosts = _hosts(query["host"], POSTGRES_PORT) if query.get("host") else ()
        if hosts and ports:
            if len(ports) not in {1, len(hosts)}:
                raise ValueError(f"expected one port, or one for each of the {len(hosts)} hosts")
            each = ports * len(hosts) if len(ports) == 1 else ports
            hosts = tuple(Host(host.name, port) for host, port in zip(hosts, each, strict=True))
    return PostgresAddress(hosts, _target(query.get("target_session_attrs"), len(hosts) > 1))


def _target(asked: str | None, several: bool) -> Target:
    allowed = [Target.READ_WRITE, Target.PRIMARY, *(() if several else (Target.ANY,))]
    if asked is None:
        return allowed[0] if several else Target.ANY
    if asked not in allowed:
        expected = " or ".join(f"target_session_attrs={value}" for value in allowed)
        raise ValueError(f"expected {expected}: Reveille writes, which only a primary accepts")
    return Target(asked)


class RedisKind(StrEnum):
    SINGLE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class RedisAddress(NamedTuple):
    """The servers of a Redis URL.

    Attributes:
        nodes: the Sentinels, or nodes of the Cluster; empty for a single server.
        url: the URL of one server; with Sentinel or a Cluster it has the credentials and parameters, and no host.
        service: the name under which the Sentinels know the primary.
        sentinel_auth: ``username`` and ``password`` for the Sentinels themselves.
    """

    kind: RedisKind
    nodes: tuple[Host, ...]
    url: str
    service: str = ""
    sentinel_auth: dict[str, str] = {}  # noqa: RUF012 - never changed

    def url_of(self, node: Host) -> str:
        """Return the URL of one node of a Cluster."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{parts.netloc}{node}").geturl()


def redis_address(url: str) -> RedisAddress:
    """Return the servers of ``redis://..``, ``rediss://..``, ``unix://..``,
    ``redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/DB`` or ``redis+cluster://USER:PASSWORD@HOST,HOST``.

    Raises:
        ValueError: with the problem and the expected value, without any part of the URL.
    """
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    if not kind:
        check_port(parts)
        return RedisAddress(RedisKind.SINGLE, (), url)
    user, at, listed = parts.netloc.rpartition("@")
    plain = parts._replace(scheme=scheme, netloc=user + at)
    if kind == RedisKind.CLUSTER:
        if parts.path not in {"", "/", "/0"}:
            raise ValueError("expected no path after the hosts: a Cluster has only database 0")
        return RedisAddress(RedisKind.CLUSTER, _hosts(listed, REDIS_PORT), plain._replace(path="/0").geturl())
    service, _, database = unquote(parts.path).strip("/").partition("/")
    if not service:
        raise ValueError("expected the name of the primary after the hosts, such as HOST:26379,HOST:26379/mymaster")
    if not re.fullmatch(r"[0-9]{0,5}", database):
        raise ValueError("expected the number of the database after the name of the primary, or nothing")
    query = dict(parse_qsl(parts.query))
    auth = {name: query.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in query}
    plain = plain._replace(path=f"/{database or 0}", query=urlencode(query))
    return RedisAddress(RedisKind.SENTINEL, _hosts(listed, SENTINEL_PORT), plain.geturl(), service, auth)


def check_leshan_url(url: str) -> str:
    """Return the address of a Leshan server without a slash at its end, or raise ValueError."""
    parts = urlsplit(url)
    check_port(parts)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected http://HOST.. or https://HOST..")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("expected an address without user, query and fragment; credentials go to LESHAN_HEADERS")
    return url.rstrip("/")


def check_jwks_address(url: str) -> str:
    """Return the address of an identity provider's keys, or raise ValueError."""
    parts = urlsplit(url)
    check_port(parts)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError("expected https://HOST..")
    return url


def check_port(parts: SplitResult) -> None:
    """Raise ValueError unless the port of a URL with one host is valid."""
    try:
        _ = parts.port
        _ = int(dict(parse_qsl(parts.query)).get("port", 0))
    except ValueError:
        raise ValueError(_PORT_EXPECTED) from None


def _hosts(listed: str, default_port: int) -> tuple[Host, ...]:
    names = listed.split(",")
    if len(names) > MAX_HOSTS:
        raise ValueError(f"expected at most {MAX_HOSTS} hosts")
    return tuple(_host(name, default_port) for name in names)


def _host(text: str, default_port: int) -> Host:
    if text.startswith("/"):
        return Host(text, default_port)
    found = _HOST.fullmatch(text)
    if found is None:
        if not text or text.startswith(":"):
            raise ValueError("expected a host before each comma and after the last one")
        raise ValueError(_PORT_EXPECTED)
    return Host(found["v6"] or found["name"], _port(found["port"]) if found["port"] else default_port)


def _ports(listed: str) -> tuple[int, ...]:
    return tuple(_port(one) for one in listed.split(",")) if listed else ()


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise ValueError(_PORT_EXPECTED)
    return int(text)


BESIDE: Final = ".migrating"
"""The longest suffix of a file that is created beside the SQLite file."""


def _check_sqlite_path(path: str) -> None:
    """Reject a path that is not, and cannot become, a usable SQLite file: SQLite would report less, or hang.

    Raises:
        ValueError: with the problem, and the expected value.
    """
    if not path or path.endswith("/"):
        raise ValueError("expected a file: sqlite://PATH, or sqlite:///PATH for an absolute one")
    if path == ":memory:" or re.search(r"[?#]", path):
        raise ValueError("expected the path of a file, without `?` and `#`; an in-memory database is not supported")
    file = Path(path)
    try:
        file.with_name(file.name + BESIDE).exists()
        kind = file.stat().st_mode if file.exists() else None
        folder = next(folder for folder in file.absolute().parents if folder.exists())
    except OSError as error:  # too long, a file where a folder should be, a folder without permission to search it
        raise ValueError(f"{path[:200]}: {error.strerror}") from None
    if kind is not None:
        _check_sqlite_file(file, kind)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    if not _permits(folder, os.W_OK | os.X_OK):
        raise ValueError(f"no permission to write in the folder {folder}, where SQLite writes its log")


def _check_sqlite_file(file: Path, kind: int) -> None:
    if stat.S_ISDIR(kind):
        raise ValueError(f"{file} is a folder; expected a file")
    if not stat.S_ISREG(kind):
        raise ValueError(f"{file} is not a regular file")
    if not _permits(file, os.R_OK | os.W_OK):
        raise ValueError(f"no permission to read and write {file}")
    with file.open("rb") as opened:
        if opened.read(16) not in {b"", b"SQLite format 3\0"}:
            raise ValueError(f"{file} is not an SQLite database")


def _permits(path: Path, how: int) -> bool:
    return os.access(path, how, effective_ids=os.access in os.supports_effective_ids)
