"""An agent that runs in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sensors.agent import Agent
from sensors.config import AgentConfig
from tests.services import PATIENCE_S


@contextmanager
def running(config: AgentConfig, *, lasting: bool = False) -> Iterator[Agent]:
    """Until the block ends; then it must have ended too."""
    agent = Agent(config, lasting=lasting)
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        yield agent
    finally:
        agent.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
