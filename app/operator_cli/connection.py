"""The two connections to a running Reveille: HTTP for single requests, a WebSocket for subscriptions."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.backoff import Backoff
from app.command_error import CommandError
from app.operator_cli.tables import echo

RESPONSE_SECONDS: Final = 120.0
"""Canceling a hundred thousand operations takes a while."""
RECONNECT_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to reconnect; the last one repeats."""
MAX_LIMITED: Final = 5
"""Maximum repetitions of a request that a limit per minute refuses."""
UNAVAILABLE: Final = "UNAVAILABLE"
PROTOCOL: Final = Subprotocol("graphql-transport-ws")

Answer = dict[str, Any]


class Refused(CommandError):
    """Reveille responded with an error; ``facts`` are its extensions, and ``code`` is their code."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.facts: Mapping[str, Any] = error.get("extensions") or {}
        self.code = str(self.facts.get("code", ""))
        super().__init__(f"{self.code}: {error.get('message')}" if self.code else str(error.get("message")))


class Unreachable(CommandError):
    """No response came, or not one of Reveille's. The requested change may have been made."""


class Api:
    """A client of the Reveille at an address, with a token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/").removesuffix("/graphql")
        if urlsplit(self.url).scheme not in {"http", "https"} or not urlsplit(self.url).hostname:
            raise CommandError(
                f"{url}: invalid address; expected one like http://127.0.0.1:8000 (--url or REVEILLE_URL)", 2
            )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # a system-wide proxy seldom has a route to this machine
        self._local = urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}
        plain = self._local and self.url.startswith("http:")
        # to read all certificate authorities takes 40 ms
        self._verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True

    def execute(self, document: str, **variables: Any) -> Answer:
        """Return the data of a query or a mutation. One that a limit per minute refuses, so that nothing of it was
        done, is repeated when the limit allows it.

        Raises:
            Refused, Unreachable
        """
        body = {"query": document, "variables": variables}
        for repeats in range(MAX_LIMITED + 1):
            answer = self._exchange("POST", "/graphql", body)
            if not (errors := answer.get("errors")):
                break
            refused = Refused(errors[0])
            seconds = refused.facts.get("retryAfterSeconds")
            if seconds is None or repeats == MAX_LIMITED:
                raise refused
            echo(f"reveille: {refused} Waiting for {seconds} s", err=True)
            time.sleep(seconds)
        data: Answer = answer["data"]
        return data

    def execute_with_retry(self, document: str, **variables: Any) -> Answer:
        """Call :meth:`execute` with retries, for requests that are safe to repeat."""
        for pause in RECONNECT_SECONDS:
            try:
                return self.execute(document, **variables)
            except Unreachable:
                time.sleep(pause)
            except Refused as refused:
                if refused.code != UNAVAILABLE:
                    raise
                time.sleep(pause)
        return self.execute(document, **variables)

    def ready(self) -> Answer:
        """Return the response of ``/health/ready``. Raise Unreachable."""
        return self._exchange("GET", "/health/ready", None)

    def _exchange(self, method: str, path: str, body: Answer | None) -> Answer:
        try:
            with self._client() as client:
                response = client.request(method, self.url + path, json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        return self._answer(response)

    def download(self, path: str, media_type: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
        """Yield the body of a response of this type and of any length, as it arrives.

        Raises:
            Refused: before the first part of the body.
            Unreachable: no response came, or the connection was lost: the body is incomplete.
        """
        try:
            with self._client() as client, client.stream("GET", self.url + path, params=parameters) as response:
                if response.status_code != 200 or not response.headers.get("content-type", "").startswith(media_type):
                    response.read()
                    raise Refused(self._answer(response)["errors"][0])
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def upload(self, path: str, content: Iterator[bytes], size: int, parameters: Mapping[str, str]) -> Answer:
        """Post a content of ``size`` bytes as it is read, and return the response.

        Raises:
            Refused: possibly before the whole content was sent.
            Unreachable: no response came.
        """
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            with self._client() as client:
                response = client.post(self.url + path, params=parameters, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code == 201:
            created: Answer = response.json()
            return created
        raise Refused(self._answer(response)["errors"][0])

    def _client(self) -> httpx.Client:
        return httpx.Client(
            timeout=RESPONSE_SECONDS, trust_env=not self._local, verify=self._verify, headers=self._headers
        )

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        return Unreachable(f"{self.url} cannot be reached: {_line(error)} (--url or REVEILLE_URL)")

    def _answer(self, response: httpx.Response) -> Answer:
        """Return the JSON of a response.

        Raises:
            Refused, Unreachable
        """
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not answer.keys() & {"data", "errors", "checks"}:
            raise Unreachable(
                f"{self.url} responded with {response.status_code}, but not as Reveille: check the address"
            )
        if response.status_code == 401:
            raise Refused({**answer["errors"][0], "message": "missing or unknown token; set --token or REVEILLE_TOKEN"})
        return answer

    def follow(self, document: str, **variables: Any) -> Iterator[Answer]:
        """Yield the events of a subscription, until Reveille ends it.

        Raises:
            Refused: the subscription was rejected or ended with an error.
            Unreachable: the connection could not be made, or was lost.
        """
        try:
            with self._socket() as socket:
                yield from _events(socket, {"query": document, "variables": variables})
        except (WebSocketException, OSError, ssl.SSLError, TimeoutError) as error:
            raise Unreachable(f"the connection to {self.url} was lost: {_line(error)}") from None

    def _socket(self) -> ClientConnection:
        return connect(
            "ws" + self.url.removeprefix("http") + "/graphql",
            subprotocols=[PROTOCOL],
            additional_headers=self._headers,
            max_size=None,
            proxy=None if self._local else True,
        )


def _events(socket: ClientConnection, payload: Answer) -> Iterator[Answer]:
    """Run the client's side of graphql-transport-ws, for one subscription."""
    socket.send(json.dumps({"type": "connection_init"}))
    while True:
        message = json.loads(socket.recv())
        match message["type"]:
            case "connection_ack":
                socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            case "ping":
                socket.send(json.dumps({"type": "pong"}))
            case "next" if message["payload"].get("errors"):
                raise Refused(message["payload"]["errors"][0])
            case "next":
                yield message["payload"]["data"]
            case "error":
                raise Refused(message["payload"][0])
            case "complete":
                return


def follow_on(api: Api, document: str, field: str, after: str, **variables: Any) -> Iterator[Answer]:
    """Yield the events of a subscription after a cursor, forever: a lost connection is reestablished and resumed after
    the last received event, so that no event is missed and none is duplicated.

    Raises:
        Refused: the subscription cannot be continued, e.g. CURSOR_EXPIRED.
    """
    backoff = Backoff(*RECONNECT_SECONDS)
    while True:
        try:
            for data in api.follow(document, after=after, **variables):
                after = data[field]["cursor"]
                backoff.reset()
                yield data[field]
        except Unreachable as error:
            if backoff.failures == 0:
                echo(f"reveille: {error}; reconnecting", err=True)
        except Refused as refused:
            if refused.code == "LAGGED":
                after = refused.facts.get("cursor") or after
            elif refused.code != UNAVAILABLE:
                raise
        time.sleep(backoff.next())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
