"""The invariants of observation rules, beside those of operations in :mod:`app.models.invariants`."""

from __future__ import annotations

from typing import Final

from app.models.invariant import Invariant, Walk

RULE_INVARIANTS: Final = (
    Invariant(
        14,
        "an observation of a rule is ESTABLISHED, but not under the endpoint's registration",
        """
        SELECT e.name AS who FROM endpoint e
        JOIN leshan_server s ON s.id = e.server_id JOIN observation o ON o.endpoint_id = e.id
        WHERE e.id > $1 AND e.id <= $2 AND e.rules_seq >= s.rules_seq AND o.state = 'ESTABLISHED'
          AND (e.registered_at IS NULL OR o.registration IS NULL OR o.registration <> e.registration_id)
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        14,
        "observation rules have queued the same request to an endpoint more than once",
        """
        SELECT endpoint_id AS who FROM operation
        WHERE endpoint_id > $1 AND endpoint_id <= $2 AND rule_id IS NOT NULL AND status = 'QUEUED'
        GROUP BY endpoint_id, kind, paths HAVING count(*) > 1
        """,
        Walk.ENDPOINTS,
    ),
)
