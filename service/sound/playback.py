"""One card of line-out: a thread that asks what is to be heard for a period, mixes it, and hands it to the device."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ, VOICE, Level
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.dsp.fader import faded_in
from service.dsp.feedback import Envelope
from service.dsp.limiter import Limiter
from service.dsp.meter import Meter
from service.dsp.mixer import Mixer, Strip, interleaved
from service.sound.cushion import Cushion
from service.sound.device_thread import DeviceThread
from service.sound.pcm import PERIOD_SAMPLES, OutputPcm

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

MUTE_SAMPLES, UNMUTE_SAMPLES = RATE_HZ // 200, RATE_HZ // 50  # audio-path 7
SILENT_S = 0.5
CLIP_DB = -6.0  # so much taken away by the limiter shows as clipping (audio-path 7)


class Source(Protocol):
    """Something to hear. Asked on the playback thread only, and must not block."""

    def begin(self, channels: int) -> None:
        """A device with so many channels is there: everything starts from silence."""

    @property
    def echoes(self) -> bool:
        """Whether what it gives now is line-in's own sound."""

    def pieces(self, now_s: float) -> Sequence[tuple[Strip, Samples]]:
        """The next period of whatever there is, each with the strip that says where and how loud."""


class Playback:
    """The card is its clock. While `fault` stands there is no device, and what comes is not heard later.

    The sources are mixed in the order given; each is pulled in every period, muted or not. A card whose `cushion` is
    too small, or larger than it need be, is opened again in a silence; what is given then fits.
    """

    def __init__(
        self,
        *,
        open_pcm: Callable[[], OutputPcm],
        sources: Sequence[Source],
        new_limiter: Callable[[], Limiter],
        ramp_samples: int,
        stereo: bool = False,
        cushion: Cushion | None = None,
        name: str = "line-out",
        priority: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._sources, self._new_limiter, self._ramp_samples = sources, new_limiter, ramp_samples
        self._needs_stereo, self._name, self._clock = stereo, name, clock
        self._muted = self._ending = False
        self._mixer, self._meters = Mixer(limiters=()), list[Meter]()
        self._cushion = cushion
        self.xruns = self.played = 0  # periods that the card has taken
        self.played_s = clock()
        self.buffer_ms = 0  # what the card holds, as it was opened last
        self.envelope = Envelope()  # of all channels together
        self.last_voice_s: float | None = None  # heard or muted
        self._thread = DeviceThread(
            name=name,
            code=FaultCode.SOUND_OUT,
            open_pcm=open_pcm,
            serve=self._periods,
            take_leave=self._fade_out,
            done=lambda: self.played,
            priority=priority,
            clock=clock,
            pause=pause,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Fade out and stop the thread; one that hangs in its device is left behind after half a second."""
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
    def levels(self) -> tuple[Level, ...]:
        """What each channel of the device is given; none while it is lost."""
        return tuple(meter.level for meter in self._meters) if self.fault is None else ()

    @property
    def too_loud(self) -> bool:
        """Whether what was given in the last minute is too loud to be listened to for long."""
        return any(limiter.warning for limiter in self._mixer.limiters)

    @property
    def last_period_s(self) -> float:
        """The thread's heartbeat. It goes on while `fault` stands; it stops when nothing helps but a new process."""
        return self._thread.last_period_s

    @property
    def reopens(self) -> int:
        """How often the device came back."""
        return self._thread.reopens

    def mute(self, on: bool) -> None:
        """Silence the card from the next period on, or end that."""
        self._muted = on

    # -- the thread ---------------------------------------------------------------------------------------------

    def _periods(self, pcm: OutputPcm) -> Iterator[None]:
        self._begin(pcm.channels)
        self.buffer_ms = round(1000 * pcm.buffer_samples / RATE_HZ)
        if self._cushion is not None:
            self._cushion.opened()
        # A write to an empty card starts it at once, so it has to fill the whole buffer.
        lead = before = _silence(pcm, pcm.buffer_samples - PERIOD_SAMPLES)
        while True:
            period = self._period()
            while not pcm.write(before + period):
                self._count_underrun()
                before, period = lead, _risen(period, pcm.channels)  # that it stopped was heard; not that it goes on
            before = b""
            self.played, self.played_s = self.played + 1, self._clock()
            yield
            if self._is_to_be_opened_again():
                return

    def _count_underrun(self) -> None:
        self.xruns += 1
        if self._cushion is not None:
            self._cushion.underrun(self._clock())

    def _is_to_be_opened_again(self) -> bool:
        now_s = self._clock()
        if self._cushion is None or not self._cushion.wants_another(now_s):
            return False
        silent = self.last_voice_s is None or now_s - self.last_voice_s > SILENT_S
        if silent:
            log.info("%s: the card is opened again, with a buffer of %d periods", self._name, self._cushion.periods)
        return silent

    def _begin(self, channels: int) -> None:
        if self._needs_stereo and channels == 1:
            raise SoundCardMissing(
                f"{self._name}: the card has one channel, and what is to be heard on its left and right differs",
                code=FaultCode.SOUND_OUT,
            )
        if channels != len(self._meters):
            self._mixer = Mixer(limiters=[self._new_limiter() for _ in range(channels)])
            self._meters = [Meter() for _ in range(channels)]
        self._mixer.begin(0.0 if self._muted else 1.0, samples=self._ramp_samples)
        for source in self._sources:
            source.begin(channels)

    def _period(self) -> bytes:
        """One period of sound, interleaved s16."""
        now_s, main = self._clock(), self._mixer.main
        if self._ending:
            main.to(0.0, samples=self._ramp_samples)
        elif self._muted:
            main.to(0.0, samples=MUTE_SAMPLES)
        else:
            main.to(1.0, samples=UNMUTE_SAMPLES)
        pieces = [piece for source in self._sources for piece in source.pieces(now_s)]
        block = self._mixer.mix(pieces, samples=PERIOD_SAMPLES)
        if self._mixer.peak > VOICE:
            self.last_voice_s = now_s
        for meter, limiter, row in zip(self._meters, self._mixer.limiters, block, strict=True):
            meter.hear(now_s, row, clipped=limiter.gain_db < CLIP_DB)
        if not any(source.echoes for source in self._sources):  # nobody could tell it from feedback
            self.envelope.add(now_s, float(np.mean(np.square(block))))
        return interleaved(block)

    def _fade_out(self, pcm: OutputPcm) -> None:
        """To silence, and then so much of it that there is nothing else in the device when it is closed."""
        self._ending = True
        periods = range(math.ceil(self._ramp_samples / PERIOD_SAMPLES))
        if all(pcm.write(self._period()) for _ in periods):  # one that has run dry is silent already
            pcm.write(_silence(pcm, pcm.buffer_samples))


def _risen(pcm: bytes, channels: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2").reshape(-1, channels).astype(np.float32)
    return faded_in(samples.T).T.astype("<i2").tobytes()


def _silence(pcm: OutputPcm, samples: int) -> bytes:
    return bytes(2 * pcm.channels * samples)
