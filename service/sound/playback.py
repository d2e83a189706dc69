"""Line-out: one thread that asks the playouts for a period, mixes it, and hands it to the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ, EncodedFrame, Level
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.core.languages import pick_track
from service.core.ports import Decoder
from service.dsp.fader import Fader
from service.dsp.meter import Meter
from service.dsp.playout import Playout
from service.sound.device_thread import DeviceThread
from service.sound.pcm import PERIOD_SAMPLES, OutputPcm

Samples = NDArray[np.float32]

VOICE = 10 ** (-50 / 20)
MUTE_SAMPLES, UNMUTE_SAMPLES, SELECT_SAMPLES = RATE_HZ // 200, RATE_HZ // 50, PERIOD_SAMPLES


class _Track:
    """The packets of one language: pushed on the event loop, pulled on the playback thread."""

    def __init__(self, playout: Playout, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self.playout, self._lock, self._clock = playout, lock, clock
        self._fader = Fader(0.0)

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet."""
        with self._lock:
            self.playout.put(self._clock(), frame)

    def period(self, now_s: float, gain: float) -> Samples:
        """One period, on its way to this gain; under the lock."""
        self._fader.to(gain, samples=SELECT_SAMPLES)
        piece = self.playout.pull(now_s, PERIOD_SAMPLES)
        return piece * self._fader.gains(PERIOD_SAMPLES)


class Playback:
    """Promises `core.ports.LineOut`. While `fault` stands there is no device, and what comes is not heard later."""

    def __init__(
        self,
        *,
        open_pcm: Callable[[], OutputPcm],
        new_decoder: Callable[[], Decoder],
        targets: Sequence[str] = (),
        playout_min_s: float = 0.040,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._new_decoder, self._clock = new_decoder, clock
        self._targets = targets  # all that may be asked for
        self._playout_min_s = playout_min_s
        self._lock = threading.Lock()
        self._tracks: dict[str, _Track] = {}
        self._tail: Samples = np.zeros(PERIOD_SAMPLES, np.float32)  # of tracks that are gone
        self._target: str | None = None
        self._muted = False
        self._fader = Fader(1.0)
        self._past = {"received": 0, "played": 0, "concealed": 0, "late": 0, "dropped": 0}
        self.xruns = 0
        self.meter = Meter()
        self.last_voice_s: float | None = None
        self._thread = DeviceThread(
            name="line-out", code=FaultCode.SOUND_OUT, open_pcm=open_pcm, serve=self._periods, clock=clock, pause=pause
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after half a second."""
        await self._thread.stop()

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
        """What the device is given: silence while it is lost."""
        return self.meter.level if self.fault is None else Level()

    @property
    def last_period_s(self) -> float:
        """The thread's heartbeat. It goes on while `fault` stands; it stops when the thread is held."""
        return self._thread.last_period_s

    @property
    def reopens(self) -> int:
        """How often the device came back."""
        return self._thread.reopens

    def sink(self, language: str) -> _Track:
        """Where the packets of this language's track go; a new stream each time it is asked for."""
        playout = Playout(decoder=self._new_decoder(), min_target_s=self._playout_min_s)
        track = _Track(playout, self._lock, self._clock)
        with self._lock:
            self._retire(language)
            self._tracks[language] = track
        return track

    def select(self, target: str) -> None:
        """Let this target be heard."""
        self._target = target

    def mute(self, on: bool) -> None:
        """Silence line-out from the next period on, or end that."""
        self._muted = on

    def clear(self) -> None:
        """The session has ended: forget its tracks, and what was to be heard of them."""
        with self._lock:
            self._target = None
            for language in list(self._tracks):
                self._retire(language)

    @property
    def frames(self) -> dict[str, int]:
        """What became of the packets, counted since the start: received, played, concealed, late, dropped."""
        with self._lock:
            total = dict(self._past)
            for track in self._tracks.values():
                _add(total, track)
            return total

    def _retire(self, language: str) -> None:
        track = self._tracks.pop(language, None)
        if track is not None:
            self._tail += track.period(self._clock(), 0.0)
            _add(self._past, track)

    # -- the thread ---------------------------------------------------------------------------------------------

    def _periods(self, pcm: OutputPcm) -> Iterator[None]:
        # A write to an empty card starts it at once, so it has to fill the whole buffer.
        lead = before = bytes(2 * pcm.channels * max(0, pcm.buffer_samples - PERIOD_SAMPLES))
        while True:
            period = _laid_out(self._period(), pcm.channels)
            while not pcm.write(before + period):
                self.xruns += 1
                before = lead
            before = b""
            yield

    def _chosen(self) -> str | None:
        if self._target is None:
            return None
        return pick_track(self._target, tuple(self._tracks), others=self._targets)

    def _period(self) -> bytes:
        """One period of sound, mono s16."""
        now_s = self._clock()
        with self._lock:
            mix, self._tail = self._tail, np.zeros(PERIOD_SAMPLES, np.float32)
            chosen = self._chosen()
            for language, track in self._tracks.items():
                mix += track.period(now_s, 1.0 if language == chosen else 0.0)
        if np.abs(mix).max() > VOICE:
            self.last_voice_s = now_s
        if self._muted:
            self._fader.to(0.0, samples=MUTE_SAMPLES)
        else:
            self._fader.to(1.0, samples=UNMUTE_SAMPLES)
        mix *= self._fader.gains(PERIOD_SAMPLES)
        self.meter.hear(now_s, mix)
        return (np.clip(mix, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def _laid_out(mono: bytes, channels: int) -> bytes:
    """The same on every channel, interleaved."""
    return np.repeat(np.frombuffer(mono, "<i2"), channels).tobytes()


def _add(total: dict[str, int], track: _Track) -> None:
    stats = track.playout.stats
    for name in total:
        total[name] += getattr(stats, name)
