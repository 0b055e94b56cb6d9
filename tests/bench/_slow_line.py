"""A slow line before a server: so many bytes a second for everybody together, and a round trip before the first.

The browser's own throttling is told to one page and passes its workers by; a line is the same for all of them.
"""

from __future__ import annotations

import asyncio
import threading

CHUNK_BYTES = 2_048
"""Small enough that connections share the line instead of waiting for one another."""


LATE_S = 0.05


class Direction:
    """One way of the line: whoever sends waits until the bytes before theirs are through."""

    def __init__(self, bytes_a_s: float, delay_s: float) -> None:
        self.bytes_a_s, self.delay_s, self.free_at = bytes_a_s, delay_s, 0.0

    async def through(self, size: int) -> float:
        """Wait for room; gives when the bytes arrive at the other end."""
        loop = asyncio.get_running_loop()
        # What a late timer lost is caught up with, or the line would be slower than it says.
        self.free_at = max(loop.time() - LATE_S, self.free_at) + size / self.bytes_a_s
        await asyncio.sleep(max(0.0, self.free_at - loop.time()))
        return self.free_at + self.delay_s


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
    arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    last = asyncio.create_task(_deliver(arrivals, writer))
    while chunk := await reader.read(CHUNK_BYTES):
        arrivals.put_nowait((await way.through(len(chunk)), chunk))
    arrivals.put_nowait((0.0, b""))
    await last


async def _deliver(arrivals: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        at, chunk = await arrivals.get()
        await asyncio.sleep(max(0.0, at - loop.time()))
        if not chunk or writer.is_closing():
            return writer.close()
        writer.write(chunk)


async def _serve(target: int, down: Direction, up: Direction, told: list[int], ready: threading.Event) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(down.delay_s + up.delay_s)  # the greeting of TCP is a round trip too
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        ways = (_carry(reader, far_writer, up), _carry(far_reader, writer, down))
        await asyncio.gather(*ways, return_exceptions=True)  # a browser ends its connections as it likes

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    told.append(server.sockets[0].getsockname()[1])
    ready.set()
    await server.serve_forever()


def slow_line(target: int, down_bit_s: float, up_bit_s: float, round_trip_s: float) -> int:
    """The port of a line to a port of this machine."""
    down, up = (Direction(rate / 8, round_trip_s / 2) for rate in (down_bit_s, up_bit_s))
    told, ready = list[int](), threading.Event()
    # It carries as long as the benchmark's process lives: who measures has no use for an orderly end.
    threading.Thread(target=lambda: asyncio.run(_serve(target, down, up, told, ready)), daemon=True).start()
    if not ready.wait(10):
        raise RuntimeError("The slow line did not begin.")
    return told[0]
