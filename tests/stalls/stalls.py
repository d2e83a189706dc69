"""Holds up a part of the daemon it runs in, on orders that are files in a folder; see tests/README.md, "Stalls".

An order is carried out once: whoever comes by first takes the file NAME, which becomes NAME.held, and is held as long
as that is there. A thread or task that takes its place passes; so does a new process.
"""

import asyncio
import threading
import time
from pathlib import Path

POLL_S = 0.02


class Orders:
    """One folder's."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def take(self, name: str) -> Path | None:
        """What it is held by; None where nothing is ordered."""
        held = self._folder / f"{name}.held"
        try:
            (self._folder / name).rename(held)
        except FileNotFoundError:
            return None
        return held

    def hold(self, name: str) -> None:
        """Hold this thread, if it is ordered."""
        held = self.take(name)
        while held is not None and held.exists():
            time.sleep(POLL_S)

    async def hold_task(self, name: str) -> None:
        """Hold this task, if it is ordered."""
        held = self.take(name)
        while held is not None and held.exists():
            await asyncio.sleep(POLL_S)


def install(folder: str) -> None:
    """Put it into the daemon's code, before the daemon begins."""
    orders = Orders(folder)
    _hold_capture(orders)
    _hold_playout(orders)
    _hold_uplink(orders)
    _hold_supervision(orders)


def _hold_capture(orders: Orders) -> None:
    """In the encoder, so outside of the device."""
    from service.sound.opus import OpusEncoder

    encode = OpusEncoder.encode

    def held(self, pcm):
        if threading.current_thread().name.startswith("line-in"):
            orders.hold("capture")
        return encode(self, pcm)

    OpusEncoder.encode = held


def _hold_playout(orders: Orders) -> None:
    """Before a period is mixed."""
    from service.sound.playback import Playback

    period = Playback._period

    def held(self):
        orders.hold("playout")
        return period(self)

    Playback._period = held


def _hold_uplink(orders: Orders) -> None:
    """Whoever sends line-in to the room, or over the session's WebSocket: before it takes the next frame."""
    from service.sound.outgoing import Outgoing

    read = Outgoing.read

    async def held(self):
        await orders.hold_task("uplink")
        return await read(self)

    Outgoing.read = held


def _hold_supervision(orders: Orders) -> None:
    """`supervisor`: the task that watches over the sound, and nothing else. `loop`: the whole event loop."""
    from service import box

    watch = box._watch_sound

    async def held(one):
        while True:
            watching = asyncio.ensure_future(watch(one))
            try:
                while not watching.done() and (order := orders.take("supervisor")) is None:
                    orders.hold("loop")
                    await asyncio.sleep(POLL_S)
            finally:
                watching.cancel()
                (bug,) = await asyncio.gather(watching, return_exceptions=True)
            if not isinstance(bug, asyncio.CancelledError):
                raise bug
            while order.exists():
                await asyncio.sleep(POLL_S)

    box._watch_sound = held
