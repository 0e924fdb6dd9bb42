"""The worker: runs in its own virtual environment, without any of Reveille's code."""

# mypy: ignore-errors

from __future__ import annotations

import os

import requests
from celery import Celery
from sqlalchemy import Index, create_engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from sqlalchemy.types import BigInteger, DateTime, String, Text

POOL = 100
TIMEOUT = (5, 35)
"""Seconds to connect, and to receive a response."""

engine = create_engine(os.environ["DATABASE_URL"], pool_size=POOL // 4, max_overflow=POOL // 4)
http = requests.Session()
http.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=POOL, max_retries=0))
app = Celery("reference", broker=os.environ["BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


class Base(DeclarativeBase):
    """The base of the tables."""


class Operation(Base):
    """One write of one device."""

    __tablename__ = "reference_operation"
    __table_args__ = (Index("ix_reference_queue", "endpoint", "id", postgresql_where="status = 'QUEUED'"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(255))
    value: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(9), default="QUEUED")
    detail: Mapped[str | None] = mapped_column(Text)
    at: Mapped[object | None] = mapped_column(DateTime(timezone=True))


class Endpoint(Base):
    """A device, and when its last event was received."""

    __tablename__ = "reference_endpoint"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    registration: Mapped[str] = mapped_column(String(255))
    heard_at: Mapped[object] = mapped_column(DateTime(timezone=True))


def awake(registered: dict[str, str]) -> list[str]:
    """Commit that these endpoints are awake, by their registrations; return those of them that have operations
    queued."""
    rows = [{"name": name, "registration": registered[name], "heard_at": func.now()} for name in sorted(registered)]
    said = insert(Endpoint).values(rows)
    said = said.on_conflict_do_update(
        index_elements=[Endpoint.name],
        set_={"registration": said.excluded.registration, "heard_at": said.excluded.heard_at},
    )
    waiting = (
        select(Operation.endpoint).where(Operation.endpoint.in_(registered), Operation.status == "QUEUED").distinct()
    )
    with Session(engine) as session:
        session.execute(said)
        found = list(session.execute(waiting).scalars())
        session.commit()
    return found


def claim(session: Session, endpoint: str) -> Operation | None:
    """Claim an endpoint's oldest operation (QUEUED to SENDING), atomically, unless another of its operations is being
    sent."""
    other = aliased(Operation)
    busy = select(other.id).where(other.endpoint == endpoint, other.status == "SENDING").exists()
    oldest = (
        select(Operation.id)
        .where(Operation.endpoint == endpoint, Operation.status == "QUEUED", ~busy)
        .order_by(Operation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = (
        update(Operation)
        .where(Operation.id == oldest.scalar_subquery(), Operation.status == "QUEUED")
        .values(status="SENDING", at=func.now())
        .returning(Operation)
    )
    operation = session.execute(taken).scalar_one_or_none()
    session.commit()
    return operation


@app.task
def dispatch(endpoint: str) -> None:
    """Send the operations queued for an awake device, one after the other."""
    with Session(engine, expire_on_commit=False) as session:
        while (operation := claim(session, endpoint)) is not None:
            status, detail = _send(operation)
            ended = update(Operation).where(Operation.id == operation.id, Operation.status == "SENDING")
            session.execute(ended.values(status=status, detail=detail, at=func.now()))
            session.commit()
            if status == "QUEUED":
                return


def _send(operation: Operation) -> tuple[str, str | None]:
    address = f"{os.environ['LESHAN_URL']}/api/clients/{operation.endpoint}/5/0/1?timeout=30"
    node = {"id": 1, "kind": "singleResource", "type": "string", "value": operation.value}
    try:
        answer = http.put(address, json=node, timeout=TIMEOUT)
        body = answer.json() if answer.status_code == 200 else {}
    except (requests.RequestException, ValueError) as error:
        return "QUEUED", str(error)[:500]
    return ("CONFIRMED", None) if body.get("success") is True else ("FAILED", answer.text[:500])


def prepare(operations: int, devices: int) -> None:
    """Queue so many operations; no device is awake yet."""
    Base.metadata.create_all(engine)
    rows = [{"id": n, "endpoint": f"called-{n % devices}", "value": "x"} for n in range(operations)]
    with Session(engine) as session:
        session.bulk_insert_mappings(Operation, rows)
        session.commit()


def wake(devices: int) -> None:
    """Wake all devices at once."""
    with app.producer_or_acquire() as producer:
        for number in range(devices):
            dispatch.apply_async((f"called-{number}",), producer=producer)
