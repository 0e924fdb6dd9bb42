"""Create an operation for an LwM2M device and wait until it has ended.

The cursor of the transition log is read before the operation is created, and the subscription starts after that
cursor: not even a step made before the subscription was open is missed. When the connection is lost the subscription
resumes after the last step that was seen.

Exits with 0 when the device confirmed the operation, with 1 when it ended otherwise or could not be created.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from httpx import TransportError as HttpError

CURSOR = "query { transitionCursor }"
CREATE = """
mutation ($input: CreateDeviceOperationInput!) {
  createDeviceOperation(input: $input) { created operation { id status waitingFor } }
}"""
STEPS = """
subscription ($ids: [ID!], $after: String) {
  operationTransitions(operationIds: $ids, after: $after) {
    cursor number toStatus attempt reason detail at
    operation { version finishedAt waitingFor deviceStatus answer }
  }
}"""
TRY_AGAIN = {"UNAVAILABLE"}
LONGEST_PAUSE = 30.0
CREATE_TRIES = 5
VALUES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": str,  # digits stay text: JSON numbers of other languages lose bits above 2^53
    "unsignedInteger": str,
    "float": float,
    "boolean": lambda text: text.lower() in {"true", "1", "yes"},
    "opaque": str,
    "time": str,
    "coreLink": str,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint", help="name of the endpoint")
    parser.add_argument("--url", default="http://127.0.0.1:8000/graphql", help="Reveille's GraphQL (%(default)s)")
    parser.add_argument("--token", help="access token, where Reveille asks for one")
    parser.add_argument("--kind", default="WRITE", help="READ, WRITE, EXECUTE, .. (%(default)s)")
    parser.add_argument("--path", default="/5/0/1", help="LwM2M path (%(default)s: the firmware's address)")
    parser.add_argument("--type", default="string", choices=VALUES, help="type of the value (%(default)s)")
    parser.add_argument("--value", default="https://url.com/fw.bin", help="value of a WRITE (%(default)s)")
    parser.add_argument("--arguments", help="arguments of an EXECUTE, in LwM2M's form: 0='a',1")
    parser.add_argument("--ttl", type=int, metavar="SECONDS", help="let it expire when still queued after this")
    parser.add_argument("--idempotency-key", default=str(uuid.uuid4()), help="the same key never creates twice")
    return parser.parse_args()


def operation_input(chosen: argparse.Namespace) -> dict[str, Any]:
    """The CreateDeviceOperationInput of the arguments."""
    given = {
        "endpoint": chosen.endpoint,
        "kind": chosen.kind,
        "path": chosen.path,
        "arguments": chosen.arguments,
        "ttlSeconds": chosen.ttl,
        "idempotencyKey": chosen.idempotency_key,
    }
    if chosen.kind == "WRITE":
        given["value"] = {chosen.type: VALUES[chosen.type](chosen.value)}
    return {name: value for name, value in given.items() if value is not None}


class Reveille:
    """The two roads to Reveille: HTTP for queries and mutations, a WebSocket for subscriptions."""

    def __init__(self, url: str, token: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """Run a query or a mutation.

        Raises:
            TransportQueryError: Reveille answered with errors; the code is in ``extensions``.
            TransportError, httpx.TransportError: no answer, so that nobody knows whether it happened.
        """
        transport = HTTPXAsyncTransport(url=self._url, headers=self._headers)
        async with Client(transport=transport) as session:
            answer: dict[str, Any] = await session.execute(GraphQLRequest(gql(document), variable_values=variables))
            return answer

    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Open a socket of its own and answer its messages until it is lost."""
        scheme, *rest = urlsplit(self._url)
        transport = WebsocketsTransport(
            url=urlunsplit((scheme.replace("http", "ws"), *rest)),
            init_payload=self._headers,
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            ping_interval=20,
            pong_timeout=10,
        )
        async with Client(transport=transport) as session:
            async for message in session.subscribe(GraphQLRequest(gql(document), variable_values=variables)):
                yield message


def code_of(failure: TransportQueryError) -> str:
    errors = failure.errors or [{}]
    return str((errors[0].get("extensions") or {}).get("code", "INTERNAL"))


async def pause(attempt: int) -> None:
    """Wait longer each time, and not in step with others that lost the same server."""
    await asyncio.sleep(min(0.5 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311


async def create(reveille: Reveille, given: dict[str, Any]) -> dict[str, Any]:
    """Create the operation. After an uncertain answer the same key goes again: it is made once."""
    for attempt in range(CREATE_TRIES):
        try:
            answer = await reveille.run(CREATE, input=given)
        except TransportQueryError as failure:
            if code_of(failure) not in TRY_AGAIN or attempt == CREATE_TRIES - 1:
                raise
        except (TransportError, HttpError, OSError):
            if attempt == CREATE_TRIES - 1:
                raise
        else:
            operation: dict[str, Any] = answer["createDeviceOperation"]["operation"]
            return operation
        await pause(attempt)
    raise AssertionError("the last try answers or raises")


async def follow(reveille: Reveille, operation_id: str, cursor: str | None) -> AsyncGenerator[dict[str, Any], None]:
    """Every step of the operation after the cursor, each once, across lost connections."""
    attempt = 0
    while True:
        try:
            async with aclosing(reveille.subscribe(STEPS, ids=[operation_id], after=cursor)) as messages:
                async for message in messages:
                    step: dict[str, Any] = message["operationTransitions"]
                    cursor, attempt = step["cursor"], 0
                    yield step
        except TransportQueryError as failure:
            # whoever fell behind resumes after the last step seen; anything else is final
            if code_of(failure) not in {"LAGGED", *TRY_AGAIN}:
                raise
        except (TransportError, OSError) as failure:
            print(f"connection lost ({failure}); resuming", file=sys.stderr)
        await pause(attempt)
        attempt += 1


def is_last(step: dict[str, Any]) -> bool:
    """Whether the operation ended with this step. The operation told beside a step may be newer than the step."""
    operation = step["operation"]
    return operation["finishedAt"] is not None and step["number"] == operation["version"]


def printable(text: str) -> str:
    """Escape control characters: text of devices and users must not steer the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def step_line(step: dict[str, Any]) -> str:
    at = datetime.fromisoformat(step["at"]).astimezone()
    why = [step["reason"], step["detail"]]
    if not is_last(step):
        why.append(f"waits for {step['operation']['waitingFor']}")
    elif step["operation"]["answer"] is not None:
        why.append(json.dumps(step["operation"]["answer"]))
    else:
        why.append(step["operation"]["deviceStatus"])
    told = printable("  ".join(part for part in why if part))
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}  {step['toStatus']:<9}  attempt {step['attempt']}  {told}"


async def create_and_wait(chosen: argparse.Namespace) -> bool:
    """Whether the device confirmed it."""
    reveille = Reveille(chosen.url, chosen.token)
    cursor = (await reveille.run(CURSOR))["transitionCursor"]
    operation = await create(reveille, operation_input(chosen))
    print(f"operation {operation['id']}", flush=True)
    async with aclosing(follow(reveille, operation["id"], cursor)) as steps:
        async for step in steps:
            print(step_line(step), flush=True)
            if is_last(step):
                return bool(step["toStatus"] == "CONFIRMED")
    return False


def main() -> int:
    try:
        return 0 if asyncio.run(create_and_wait(arguments())) else 1
    except TransportQueryError as failure:
        for error in failure.errors or []:
            extensions = error.get("extensions") or {}
            print(printable(f"{extensions.get('code', 'error')}: {error.get('message')}"), file=sys.stderr)
    except (TransportError, HttpError, OSError) as failure:
        print(f"Reveille cannot be reached: {failure}", file=sys.stderr)
    except ValueError as failure:
        print(failure, file=sys.stderr)
    except KeyboardInterrupt:
        print("no longer waiting; the operation stays", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
