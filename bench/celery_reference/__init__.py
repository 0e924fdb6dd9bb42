"""The same job done with Celery, to be measured beside Reveille: ``python -m bench.celery_reference``.

A gevent pool of 100, a Redis broker, an ORM (SQLAlchemy on PostgreSQL), requests. Done as well as these allow: pooled
connections, time-outs on every call, late acknowledgement, one atomic claim that keeps an endpoint's order.
"""
