"""Where line-in's packets wait for whoever sends them: the event loop's side of the hop from the capture thread."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from service.core.audio import FRAME_S, FRAME_SAMPLES, EncodedFrame

QUEUE_FRAMES = 5
ABSENT_S = 1.0
HELD_S = 0.25  # what comes later than this would be thrown away as too old at the far end
LATE_S = 0.1  # what a card has held back meanwhile is read faster than this


class Outgoing:
    """At most 100 ms of packets; promises `core.ports.EncodedSource`. Event loop only.

    A thread that is held in its device pushes nothing: then `silence`, the packet of a silent frame, goes on, and what
    comes late after all, in the time of a frame that went out, does not.
    """

    def __init__(self, *, silence: bytes, clock: Callable[[], float]) -> None:
        self._silence, self._clock = silence, clock
        self._queue: deque[EncodedFrame] = deque()
        self._ready = asyncio.Event()
        self._read_s = -math.inf
        self._number, self._number_s = -1, clock()  # of the last frame, and when it was due
        self._sequence = 0
        self._held = False
        self._late_since_s: float | None = None
        self._shift = 0  # between the thread's numbers and ours
        self.dropped = 0  # frames that nobody took in time while somebody listened

    def push(self, number: int, payload: bytes) -> None:
        """The packet of the frame of this number; a gap in the numbers is time that was lost."""
        now_s = self._clock()
        if number + self._shift <= self._number:
            self._late_since_s = now_s if self._late_since_s is None else self._late_since_s
            if now_s - self._late_since_s < LATE_S:
                return
            self._shift = self._number + 1 - number  # it is not late: the card's clock has stood still
        self._held, self._late_since_s, self._number_s = False, None, now_s
        self._append(number + self._shift, payload)

    async def read(self) -> EncodedFrame:
        """The oldest frame, at most 100 ms old. While nobody reads, frames go by."""
        if self._is_nobody_there():
            self._queue.clear()
        while not self._queue:
            self._ready.clear()
            try:
                async with asyncio.timeout(self._patience_s()):
                    await self._ready.wait()
            except TimeoutError:
                self._fill()
        self._read_s = self._clock()
        return self._queue.popleft()

    def _patience_s(self) -> float:
        # Half a frame later than the card, so that a card that is back is before it.
        return max(0.0, self._number_s + (1.5 * FRAME_S if self._held else HELD_S) - self._clock())

    def _fill(self) -> None:
        frames = max(1, math.floor((self._clock() - self._number_s) / FRAME_S))
        self._held = True
        self._number_s += frames * FRAME_S
        self._append(self._number + frames, self._silence)

    def _append(self, number: int, payload: bytes) -> None:
        if len(self._queue) == QUEUE_FRAMES:
            # Full while the link is being negotiated; the oldest frame is the least useful.
            self._queue.popleft()
            self.dropped += not self._is_nobody_there()
        self._queue.append(EncodedFrame(self._sequence & 0xFFFF, number * FRAME_SAMPLES & 0xFFFFFFFF, payload))
        self._number, self._sequence = number, self._sequence + 1
        self._ready.set()

    def _is_nobody_there(self) -> bool:
        return self._clock() - self._read_s > ABSENT_S
