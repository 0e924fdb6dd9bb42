"""URLs with several hosts, as PostgreSQL's libpq and libraries for Redis spell them."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from app.addresses import Host, PostgresAddress, RedisKind, Target, postgres_address, redis_address
from app.bus.redis import _node, redis_clients

READ_WRITE, PRIMARY = Target.READ_WRITE, Target.PRIMARY


@pytest.mark.parametrize(
    ("url", "hosts", "target"),
    [
        ("postgres://joe:p%40ss@a:1,b:2/x?target_session_attrs=read-write", [("a", 1), ("b", 2)], READ_WRITE),
        ("postgresql://a,b:2/x", [("a", 5432), ("b", 2)], READ_WRITE),
        ("postgres://joe@[2001:db8::1]:1,[2001:db8::2]/x", [("2001:db8::1", 1), ("2001:db8::2", 5432)], READ_WRITE),
        (
            "postgres:///x?host=/run/a,b&port=1,2&target_session_attrs=primary",
            [("/run/a", 1), ("b", 2)],
            Target.PRIMARY,
        ),
        ("postgres:///x?host=a,b&port=7", [("a", 7), ("b", 7)], READ_WRITE),
        ("postgres://joe@a/x", [("a", 5432)], Target.ANY),
        ("postgres://joe@a:/x", [("a", 5432)], Target.ANY),
        ("postgres://a/x?target_session_attrs=read-write", [("a", 5432)], READ_WRITE),
        ("postgres:///x", [], Target.ANY),
    ],
)
def test_the_hosts_of_a_postgres_address(url: str, hosts: list[tuple[str, int]], target: Target) -> None:
    assert postgres_address(url) == PostgresAddress(tuple(Host(*host) for host in hosts), target)


def test_the_sentinels_the_service_and_the_credentials_of_each() -> None:
    found = redis_address("redis+sentinel://joe:p%40ss@[::1]:1,a/my-primary/3?sentinel_password=x%2By&health=1")
    assert (found.kind, found.nodes) == (RedisKind.SENTINEL, (Host("::1", 1), Host("a", 26379)))
    assert (found.service, found.sentinel_auth) == ("my-primary", {"password": "x+y"})
    assert found.url == "redis://joe:p%40ss@/3?health=1"


@pytest.mark.asyncio
async def test_tls_and_passwords_reach_the_clients_of_sentinels_and_primary() -> None:
    url = "rediss+sentinel://joe:p%40ss@a,b/db/3?sentinel_username=s&sentinel_password=t&ssl_cert_reqs=none"
    (client,), sentinel = redis_clients(redis_address(url))
    pool = client.connection_pool
    assert pool.connection_class is SentinelManagedSSLConnection
    options = {name: pool.connection_kwargs.get(name) for name in ("username", "password", "db", "ssl_cert_reqs")}
    assert options == {"username": "joe", "password": "p@ss", "db": 3, "ssl_cert_reqs": "none"}
    assert sentinel is not None
    for asked in sentinel.sentinels:
        assert asked.connection_pool.connection_class is SSLConnection
        options = {name: asked.connection_pool.connection_kwargs.get(name) for name in options}
        assert options == {"username": "s", "password": "t", "db": 0, "ssl_cert_reqs": "none"}
    assert _node(client, choice=False) is None, "not connected yet"


@pytest.mark.asyncio
async def test_tls_and_passwords_reach_the_clients_of_all_nodes_of_a_cluster() -> None:
    clients, _ = redis_clients(redis_address("rediss+cluster://:p%40ss@[::1]:7,a?ssl_cert_reqs=none"))
    assert [_node(client, choice=True) for client in clients] == ["[::1]:7", "a:6379"]
    for client in clients:
        assert client.connection_pool.connection_class is SSLConnection
        assert client.connection_pool.connection_kwargs["password"] == "p@ss"
        assert client.connection_pool.connection_kwargs["ssl_cert_reqs"] == "none"
