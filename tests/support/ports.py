"""Ports of 127.0.0.1 for servers that start later, or again on the same port."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST: Final = 20_000
_TRIES: Final = 100


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that no program uses.

    Where possible it is below the range from which Linux chooses the ports of connections and of servers that listen on
    any port, so that none of them takes it before the caller's server does.
    """
    below = range(_FIRST, int(_EPHEMERAL.read_text().split()[0]))
    ports = below or range(_FIRST, 65_536)  # a machine may choose from nearly all ports
    for port in random.SystemRandom().sample(ports, min(_TRIES, len(ports))):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port in {ports}")
