"""The same job with Django and Celery, measured for comparison with Reveille: ``python -m bench.celery_reference``.

The webhook: Django under gunicorn with gevent, one process. The dispatcher: one worker with a gevent pool of 100 and
requests. A Redis broker, an ORM (SQLAlchemy on PostgreSQL). As good as these allow: pooled connections, timeouts on
every call, late acknowledgment, one statement and commit for the events of a webhook call, one atomic claim that
preserves an endpoint's order.
"""

from __future__ import annotations

from typing import Final

NAME: Final = "Django and Celery"
"""The prefix of its figures; the rest is the suffix of the same figure of Reveille."""
