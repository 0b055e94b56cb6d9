"""Head and body of an answer leave in one write; nothing that was written is lost when the line is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from community_flow.adapters.one_write import MOST_BYTES, Gathering


class Line:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def gathering(line: Line) -> Gathering:
    return Gathering(line, asyncio.get_running_loop())  # type: ignore[arg-type]


def test_what_is_written_in_one_turn_leaves_together() -> None:
    async def turn() -> Line:
        line = Line()
        made = gathering(line)
        made.write(b"head")
        made.write(b"body")
        assert line.done == []
        await asyncio.sleep(0)
        made.write(b"next")
        await asyncio.sleep(0)
        return line

    assert asyncio.run(turn()).done == [b"headbody", b"next"]


def test_closing_sends_what_is_left_first() -> None:
    async def turn() -> Line:
        line = Line()
        made = gathering(line)
        made.write(b"last words")
        made.close()
        await asyncio.sleep(0)
        assert made.is_closing()
        return line

    assert asyncio.run(turn()).done == [b"last words", "closed"]


def test_a_flood_is_not_held_back() -> None:
    async def turn() -> None:
        line = Line()
        made = gathering(line)
        made.write(b"x" * MOST_BYTES)
        made.write(b"y")
        assert [len(each) for each in line.done] == [MOST_BYTES + 1]

    asyncio.run(turn())
