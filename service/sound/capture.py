"""Line-in: one thread that reads the device, meters, encodes, and hands each frame to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame, Level
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.core.framer import FRAME_BYTES, Framer
from service.dsp.catch_up import CatchUp
from service.dsp.feedback import Envelope
from service.dsp.meter import ChannelMeters, FullScale, Meter
from service.dsp.sides import Sides
from service.sound.device_thread import DeviceThread
from service.sound.outgoing import Outgoing
from service.sound.pcm import InputPcm, Raw

Samples = NDArray[np.float32]


class Encoder(Protocol):
    """20 ms of mono 48 kHz s16 in, one Opus packet out."""

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame."""


class Capture:
    """Promises `core.ports.LineIn`. While `fault` stands there is no device, and silence flows instead.

    `on_sound` is given what is heard, amplified, on the thread of the device.
    """

    def __init__(
        self,
        *,
        open_pcm: Callable[[], InputPcm],
        new_encoder: Callable[[], Encoder],
        go: threading.Event,
        on_sound: Callable[[Samples], object] = len,
        gain_db: float = 0.0,
        meter: Meter | None = None,
        sides: Sides | None = None,
        pre_roll_s: float = 2.5,
        priority: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._new_encoder, self._go, self._clock = new_encoder, go, clock
        self._encoder = new_encoder()
        self._on_sound = on_sound
        self._gain = 10 ** (gain_db / 20)
        self._framer = Framer()
        self._catch_up = CatchUp(pre_roll_s=pre_roll_s)
        self._heard_s: float | None = None
        self.spoke_s = -math.inf  # when somebody spoke last
        self._speech, self._on_speech = False, _nobody
        self._loop = asyncio.get_running_loop()
        self._outgoing = Outgoing(silence=self._encoder.encode(bytes(FRAME_BYTES)), clock=clock)
        self.captured = 0  # frames encoded since the start, the silence that stands for a lost device included
        self.xruns = 0
        self.meter, self._full_scale = meter or Meter(), FullScale()
        self.envelope = Envelope()
        self._channels = ChannelMeters()
        self._sides = sides  # where both make the sound
        self._thread = DeviceThread(
            name="line-in",
            code=FaultCode.SOUND_IN,
            open_pcm=open_pcm,
            serve=self._periods,
            while_lost=self._silence,
            done=lambda: self.captured,
            on_held=self._renew,
            priority=priority,
            clock=clock,
            pause=pause,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def go(self) -> None:
        """LIVE: a recording starts; of what was kept the first word is next."""
        self._go.set()
        self._catch_up.go()

    def hold(self) -> None:
        """Paused: silence flows, and the last of what comes is kept."""
        self._catch_up.hold()

    def keep(self) -> None:
        """On the way back from a pause: all that comes is kept."""
        self._catch_up.keep()

    def clear(self) -> None:
        """The broadcast has ended: nothing that was kept is to be heard."""
        self._catch_up.clear()

    def on_speech(self, listener: Callable[[], None]) -> None:
        """Call this on the event loop whenever somebody begins to speak."""
        self._on_speech = listener

    @property
    def backlog_s(self) -> float:
        """How much later than it came sound is sent now, after a pause."""
        return self._catch_up.backlog_s

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after half a second."""
        await self._thread.stop()

    def supervise(self) -> None:
        """Give up a thread that its device holds. To be called several times a second."""
        self._thread.supervise()

    @property
    def fault(self) -> SoundCardLost | SoundCardMissing | None:
        """Why there is no device now."""
        return self._thread.fault

    @property
    def lost(self) -> str | None:
        """The same as text."""
        return None if self.fault is None else str(self.fault)

    @property
    def level(self) -> Level:
        """What the device gives: silence while it is lost."""
        return self.meter.level

    @property
    def channel_levels(self) -> tuple[Level, ...]:
        """What each channel of the card gives, heard or not, before the gain; none while the card is lost."""
        return self._channels.levels

    @property
    def sides_cancel(self) -> bool:
        """Whether the two sides of line-in cancel each other out."""
        return self._sides is not None and self._sides.cancel

    @property
    def last_period_s(self) -> float:
        """The thread's heartbeat. It goes on while `fault` stands; it stops when nothing helps but a new process."""
        return self._thread.last_period_s

    @property
    def reopens(self) -> int:
        """How often the device came back."""
        return self._thread.reopens

    async def read(self) -> EncodedFrame:
        """See `Outgoing.read`."""
        return await self._outgoing.read()

    @property
    def dropped(self) -> int:
        """Frames that nobody took in time while somebody listened."""
        return self._outgoing.dropped

    def _renew(self) -> None:
        """The thread is given up, perhaps in the encoder, which is not for two."""
        self._encoder = self._new_encoder()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _periods(self, pcm: InputPcm) -> Iterator[None]:
        block = pcm.read()
        yield
        self._skip_lost_time(block)  # opening takes its time
        while True:
            if block is None:
                self.xruns += 1
                self._skip_lost_time(block)
            else:
                self._heard_s = self._clock()
                self._take(self._amplified(block, pcm.raw))
            block = pcm.read()
            yield

    def _skip_lost_time(self, block: bytes | None) -> None:
        """More time may have passed since the last sound than there is sound now: the far end is to hear a gap."""
        before_s, self._heard_s = self._heard_s, self._clock()
        if before_s is not None:
            lost = round((self._heard_s - before_s) * RATE_HZ) - len(block or b"") // 2
            if lost > FRAME_SAMPLES:
                self._framer.skip(lost)

    def _amplified(self, block: bytes, raw: Raw) -> bytes:
        mono = np.frombuffer(block, "<i2")
        samples = mono.astype(np.float32) * (self._gain / 32768)
        heard = np.clip(samples, -1.0, 1.0)
        clipped = self._full_scale.hear(mono) or bool((heard != samples).any())
        if self._sides is not None:
            clipped = self._sides.hear(raw) or clipped
        now_s = self._clock()
        self.meter.hear(now_s, heard, clipped=clipped)
        self._channels.hear(now_s, raw)
        if len(heard):
            self.envelope.add(now_s, float(np.mean(np.square(heard))))
        self._on_sound(heard)
        return block if self._gain == 1.0 else bytes((heard * 32767).astype("<i2").tobytes())

    def _take(self, pcm: bytes) -> None:
        encoder = self._encoder  # a thread that was given up in it keeps its own
        for number, frame in self._framer.push(pcm):
            payload = encoder.encode(self._catch_up.next(np.frombuffer(frame, np.int16)).tobytes())
            self._tell(self._outgoing.push, number, payload)
            self.captured += 1
            self._listen()

    def _listen(self) -> None:
        spoke, self._speech = self._speech, self._catch_up.speech
        if self._speech:
            self.spoke_s = self._clock()
            if not spoke:
                self._tell(self._on_speech)

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the box ends, and this thread next
            self._loop.call_soon_threadsafe(function, *arguments)

    def _silence(self) -> None:
        """The vendor wants no gap: silence flows while there is no device."""
        self.meter.reset()
        self._channels.reset()
        frame = bytes(FRAME_BYTES)
        self._skip_lost_time(frame)  # trying to open takes its time
        self._take(frame)


def _nobody() -> None:
    """Who listens while nobody does."""
