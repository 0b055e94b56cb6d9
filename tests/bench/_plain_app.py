"""The peer: what a good developer writes in an hour. Flask, SQLAlchemy's ORM, one commit per event, nothing else.

It does less than ours: no trust, no canonical form, no passes, no marks, no tallies; it answers after its commit.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request
from sqlalchemy import BigInteger, String, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"

    device: Mapped[str] = mapped_column(String(40), primary_key=True)
    boot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    gate: Mapped[str] = mapped_column(String(40))
    direction: Mapped[str] = mapped_column(String(3))
    n: Mapped[int] = mapped_column(BigInteger)


def make_tables(url: str) -> None:
    """Once, before the server starts: workers that all made them at once would stand in each other's way."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


def plain(url: str) -> Flask:
    app = Flask("plain")
    # Sixteen writers starve each other within SQLite's five seconds.
    engine = create_engine(url, connect_args={"timeout": 120} if url.startswith("sqlite") else {})

    @app.post("/v1/reports")
    def reports() -> dict[str, Any]:
        body = request.get_json()
        outcomes = []
        for found in body["reports"]:
            members = {name: found[name] for name in ("boot", "seq", "at", "gate", "direction", "n")}
            with Session(engine) as session:
                session.add(Event(device="d", **members))
                try:
                    session.commit()
                    outcomes.append("accepted")
                except IntegrityError:
                    outcomes.append("duplicate")
        return {"batch": body["batch"], "results": outcomes}

    return app


def application() -> Flask:
    """For the server: the address of the store comes by environment."""
    return plain(os.environ["PLAIN_URL"])
