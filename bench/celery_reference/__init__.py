"""The same job done with Django and Celery, to be measured beside Reveille: ``python -m bench.celery_reference``.

The webhook: Django under gunicorn with gevent, one process. The dispatcher: one worker with a gevent pool of 100 and
requests. A Redis broker, an ORM (SQLAlchemy on PostgreSQL). Done as well as these allow: pooled connections, time-outs
on every call, late acknowledgement, one statement and commit for what a call of the webhook says, one atomic claim that
keeps an endpoint's order.
"""

from __future__ import annotations

from typing import Final

NAME: Final = "Django and Celery"
"""What its figures begin with; the rest is what the same figure of Reveille's ends with."""
