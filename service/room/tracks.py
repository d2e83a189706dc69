"""Packets between two connections."""

from __future__ import annotations

import asyncio
from collections import deque

from service.core.audio import EncodedFrame


class PacketQueue:
    """An EncodedSink that is an EncodedSource at its other end. Event loop only."""

    def __init__(self, *, capacity: int = 50) -> None:
        self._packets: deque[EncodedFrame] = deque()
        self._capacity = capacity
        self._ready = asyncio.Event()
        self.dropped = 0

    def push(self, frame: EncodedFrame) -> None:
        """Put one packet in. Full while the far end is being negotiated: the oldest packet is the least useful."""
        if len(self._packets) == self._capacity:
            self._packets.popleft()
            self.dropped += 1
        self._packets.append(frame)
        self._ready.set()

    async def read(self) -> EncodedFrame:
        """The oldest packet, waiting for one."""
        while not self._packets:
            self._ready.clear()
            await self._ready.wait()
        return self._packets.popleft()
