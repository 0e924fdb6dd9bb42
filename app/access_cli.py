"""``reveille token`` and ``reveille audit``. Each imports its implementation when it runs, as in ``app/cli.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from app.command_error import CommandError
from app.operator_cli.options import AsJson
from app.operator_cli.times import rfc3339, span_of
from app.security import COMMAND_PREFIX, MAX_NAME_LENGTH, Role, is_usable_name

if TYPE_CHECKING:
    from app.domain.enums import Instant
    from app.models.queries import ApiTokenView
    from app.settings import Settings

TOKEN_COLUMNS = ("id", "name", "role", "created", "by", "expires", "last use", "revoked")
AUDIT_FIELDS = ("at", "actor", "action", "target", "detail")
ACCESS_CLOSED = (
    "This is the first token: from now on every caller of GraphQL and of the webhook needs a credential, also on this "
    "machine."
)

Work: TypeAlias = Coroutine[Any, Any, None]
TokenName: TypeAlias = Annotated[str, typer.Argument(help="Name of the bearer, for createdBy and the audit.")]
TokenRole: TypeAlias = Annotated[Role, typer.Option("--role", "-r", help="Role of the bearer.")]
Expires: TypeAlias = Annotated[
    str | None, typer.Option("--expires", help="Time at which it expires (RFC 3339), or a span like 90d.")
]
Named: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the token, or its name if it is the only active one of that name.")
]
First: TypeAlias = Annotated[int, typer.Option("--first", "-n", min=1, help="Maximum number of events, newest first.")]


def add_access_to(cli: typer.Typer, read_settings: Callable[[], Settings], run: Callable[[Work], None]) -> None:
    """Add these commands to those of the processes. ``run`` runs the work of a command."""
    token = typer.Typer(
        name="token",
        help="API tokens: create, list, revoke. They use the database of REVEILLE_DATABASE_URL directly, and need "
        "neither a credential nor a running process.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    cli.add_typer(token)

    @token.command()
    def create(name: TokenName, *, role: TokenRole, expires: Expires = None, as_json: AsJson = False) -> None:
        """Create a token and print its secret, which cannot be read again."""
        if not is_usable_name(name):
            expected = f"1 to {MAX_NAME_LENGTH} printable characters, not {COMMAND_PREFIX}.."
            raise CommandError(f"invalid name; expected {expected}", 2)
        expires_at = None if expires is None else _expiry(expires)
        run(_create(read_settings(), name, role, expires_at, as_json=as_json))

    @token.command("list")
    def list_(*, as_json: AsJson = False) -> None:
        """List the tokens, active ones first; without their secrets, which are not stored."""
        run(_list(read_settings(), as_json=as_json))

    @token.command()
    def revoke(named: Named) -> None:
        """Revoke a token: requests with it are refused, and its sockets and streams are closed within 10 seconds."""
        run(_revoke(read_settings(), named))

    @cli.command()
    def audit(*, first: First = 50, as_json: AsJson = False) -> None:
        """List the audit: every mutation and every change of tokens, newest first, directly from the database."""
        run(_audit(read_settings(), first, as_json=as_json))


async def _create(settings: Settings, name: str, role: Role, expires_at: Instant | None, *, as_json: bool) -> None:
    from app.entrypoints.access import create_token
    from app.models.ledger import LimitExceeded
    from app.operator_cli.tables import echo, print_json

    try:
        token, secret, closed = await create_token(settings, name, role, expires_at)
    except LimitExceeded as error:
        raise CommandError(str(error)) from None
    if closed:
        echo(ACCESS_CLOSED, err=True)
    if as_json:
        print_json({**_facts(token), "secret": secret})
    else:
        echo(secret)


async def _list(settings: Settings, *, as_json: bool) -> None:
    from app.entrypoints.access import list_tokens
    from app.operator_cli.tables import print_json, show, table

    facts = [_facts(token) for token in await list_tokens(settings)]
    if as_json:
        print_json(facts)
    else:
        show(table(f"{len(facts)} tokens", TOKEN_COLUMNS, [tuple(one.values()) for one in facts]))


async def _revoke(settings: Settings, named: str) -> None:
    from app.entrypoints.access import UnknownToken, revoke_token
    from app.operator_cli.tables import echo

    try:
        token = await revoke_token(settings, named)
    except UnknownToken as error:
        raise CommandError(str(error), 2) from None
    echo(f"revoked {token.id} {token.name}")


async def _audit(settings: Settings, most: int, *, as_json: bool) -> None:
    from app.entrypoints.access import list_audit
    from app.models.fields import load_json
    from app.operator_cli.tables import print_json, show, table

    events = await list_audit(settings, most)
    rows = [(_time(event.at), event.actor, event.action, event.target, event.detail_json) for event in events]
    if as_json:
        print_json([dict(zip(AUDIT_FIELDS, (*row[:4], load_json(row[4])), strict=True)) for row in rows])
    else:
        show(table(f"{len(rows)} events", AUDIT_FIELDS, rows))


def _facts(token: ApiTokenView) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "createdAt": _time(token.created_at),
        "createdBy": token.created_by,
        "expiresAt": _time(token.expires_at),
        "lastUsedAt": _time(token.last_used_at),
        "revokedAt": _time(token.revoked_at),
    }


def _time(instant: Instant | None) -> str | None:
    if instant is None:
        return None
    return rfc3339(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant))


def _expiry(text: str) -> Instant:
    """Return the instant of an expiry.

    Raises:
        CommandError: it is neither a time in the future nor a span.
    """
    now = datetime.now(UTC)
    span = span_of(text.removeprefix("+"))
    try:
        at = datetime.fromisoformat(text) if span is None else now + span
        if at.tzinfo is not None and at > now:
            return int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    except (ValueError, OverflowError):
        pass
    expected = "expected a time in the future with its zone like 2027-11-23T10:00:00Z, or a span like 12h or 90d"
    raise CommandError(f"--expires: invalid time {text!r}; {expected}", 2)
