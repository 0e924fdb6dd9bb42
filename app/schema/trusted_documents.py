"""Trusted documents: those that a client may name by a hash, and, if the settings say so, the only ones executed.

Other names for the same: persisted queries (Apollo), persisted documents (GraphQL over HTTP, appendix A).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLError, parse, print_ast, strip_ignored_characters

from app.resources import folder
from app.schema.errors import ApiError, Code

SHIPPED: Final = folder("static/trusted-documents", "frontend-examples/trusted-documents")
"""The documents of the web page, the operator commands and the clients of ``frontend-examples``."""


class InvalidDocuments(ValueError):
    """A file of trusted documents cannot be read; the text names it."""


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """A set of documents, found by their text or by the hash that their clients send.

    White space, commas and comments make no difference between two texts.

    Attributes:
        by_hash: the text of each document by the names that clients may use for it.
    """

    by_hash: Mapping[str, str] = field(default_factory=dict)
    _stripped: frozenset[str] = frozenset()
    _longest: int = 0

    @classmethod
    def load(cls, folders: Iterable[Path]) -> TrustedDocuments:
        """Read all documents in these folders.

        A file ``*.graphql`` is one document; clients name it by the SHA-256, in hexadecimal, of its text or of the text
        as GraphQL's ``print`` writes it. A file ``*.json`` is an object of documents by the names that its generator
        gave them, as GraphQL Code Generator and Relay write it.

        Raises:
            InvalidDocuments: a file is not a document or no such object.
        """
        by_hash: dict[str, str] = {}
        for file in sorted(one for place in folders for one in place.iterdir()):
            try:
                if file.suffix == ".graphql":
                    text = file.read_text("utf-8")
                    by_hash |= {sha256(text): text, sha256(print_ast(parse(text))): text}
                elif file.suffix == ".json":
                    by_hash |= _manifest(file)
            except (OSError, ValueError, GraphQLError) as error:
                raise InvalidDocuments(f"{file}: {error}") from error
        stripped = frozenset(map(strip_ignored_characters, by_hash.values()))
        return cls(by_hash, stripped, max(map(len, by_hash.values()), default=0))

    def __contains__(self, text: str) -> bool:
        """Return whether a document is one of them. A text of more than twice the longest is not examined."""
        if len(text) > 2 * self._longest:
            return False
        try:
            return strip_ignored_characters(text) in self._stripped
        except GraphQLError:
            return False


def sha256(text: str) -> str:
    """Return the hash by which Apollo, urql and GraphQL Code Generator name a document."""
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(file: Path) -> dict[str, str]:
    content = json.loads(file.read_text("utf-8"))
    if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
        raise ValueError("an object of documents by their hashes is expected")
    for text in content.values():
        parse(text)
    return content


@dataclass(frozen=True, slots=True)
class DocumentPolicy:
    """Which documents the API executes.

    Attributes:
        trusted: returns the documents that clients may name by a hash; read when they are first needed.
        only_trusted: execute no other documents.
        introspection: execute documents that select ``__schema`` or ``__type``.
        own: whether there are documents besides those that ship: then an unknown hash may be one of another version.
    """

    trusted: Callable[[], TrustedDocuments] = TrustedDocuments
    only_trusted: bool = False
    introspection: bool = True
    own: bool = False

    def check(self, text: str) -> None:
        """Raise ApiError, FORBIDDEN, for a document that is not executed, before it is parsed."""
        if self.only_trusted and text not in self.trusted():
            message = "The document is not one of this server's trusted documents; no other is executed."
            raise ApiError(Code.FORBIDDEN, message)

    def check_introspection(self, *, introspects: bool) -> None:
        """Raise ApiError, FORBIDDEN, for a document that introspects if this is switched off."""
        if introspects and not self.introspection:
            raise ApiError(Code.FORBIDDEN, "Introspection is switched off; the schema is in schema.graphql.")

    def text_of(self, extensions: Mapping[str, Any]) -> str:
        """Return the text of a document that is named by its hash, as Apollo's and urql's ``persistedQuery``.

        Raises:
            ApiError: there is no such document; clients then send the text, by PERSISTED_QUERY_NOT_SUPPORTED from then
                on.
        """
        given = extensions["persistedQuery"]
        name = given.get("sha256Hash") if isinstance(given, dict) else None
        if isinstance(name, str) and (text := self.trusted().by_hash.get(name)) is not None:
            return text
        if self.own:
            raise ApiError(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        raise ApiError(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")


def document_policy(own: Path | None, *, only_trusted: bool, introspection: bool) -> DocumentPolicy:
    """Return the policy with the documents that ship and those of a folder, which are read at once if the settings
    name any. Raises as :meth:`TrustedDocuments.load`."""
    folders = [SHIPPED] if own is None else [SHIPPED, own]
    trusted = functools.cache(lambda: TrustedDocuments.load(folders))
    if own is not None or only_trusted:
        trusted()
    return DocumentPolicy(trusted, only_trusted, introspection, own is not None)
