"""notify test"""

from __future__ import annotations

import uuid

import click

from community_flow.commands import settings
from community_flow.domain.errors import Conflict
from community_flow.ports.notices import Message
from community_flow.services.notices import body_of
from community_flow.wiring.core import build_core
from community_flow.wiring.notices import sink_of


@click.group()
def notify() -> None:
    """Notices to FLOW_NOTIFY_URL."""


@notify.command()
def test() -> None:
    """Send a test message now and say what the receiver answered."""
    sink = sink_of(settings())
    if sink is None:
        raise Conflict("Nobody is told: set FLOW_NOTIFY_URL and FLOW_NOTIFY_KEY_FILE.")
    now_ms = build_core(settings()).clock.now_ms()
    message = Message(uuid.uuid4().hex, "test", None, None, 1, now_ms, now_ms, "/", now_ms)
    error = sink.send(message.id, body_of(message), now_ms)
    if error is not None:
        raise Conflict("%(why)s Check FLOW_NOTIFY_URL.", why=error)
    click.echo("The receiver took it.")
