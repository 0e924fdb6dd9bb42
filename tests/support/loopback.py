"""HTTP clients for servers on this machine.

httpx reads all certificate authorities for each client, which takes 40 ms of a core, and proxies from the environment.
These clients do neither; one with HTTPS passes its own ``verify``.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any, Final

import httpx

_WITHOUT_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_DEFAULTS: Final[dict[str, Any]] = {"verify": _WITHOUT_TLS, "trust_env": False}


class AsyncClient(httpx.AsyncClient):
    """``httpx.AsyncClient`` with its options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(_DEFAULTS | options))


class Client(httpx.Client):
    """``httpx.Client`` with its options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(_DEFAULTS | options))


get = partial(httpx.get, verify=_WITHOUT_TLS, trust_env=False)
post = partial(httpx.post, verify=_WITHOUT_TLS, trust_env=False)
put = partial(httpx.put, verify=_WITHOUT_TLS, trust_env=False)
request = partial(httpx.request, verify=_WITHOUT_TLS, trust_env=False)
stream = partial(httpx.stream, verify=_WITHOUT_TLS, trust_env=False)
