"""Line-out: one thread that asks the playouts for a period, mixes it, and hands it to the device."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ, EncodedFrame, Level
from service.core.errors import ServiceError
from service.core.languages import pick_track
from service.core.ports import Decoder
from service.dsp.levels import level
from service.dsp.playout import Playout
from service.sound.pcm import PERIOD_SAMPLES, DeviceLost, OutputPcm

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

REOPEN_S = (0.5, 1.0, 2.0)
STOP_S = 0.5
VOICE = 10 ** (-50 / 20)
MUTE_SAMPLES, UNMUTE_SAMPLES, SELECT_SAMPLES = RATE_HZ // 200, RATE_HZ // 50, RATE_HZ // 100


class _Track:
    """The packets of one language: pushed on the event loop, pulled on the playback thread."""

    def __init__(self, playout: Playout, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self.playout, self._lock, self._clock = playout, lock, clock
        self.gain = 0.0

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet."""
        with self._lock:
            self.playout.put(self._clock(), frame)


class Playback:
    """Promises `core.ports.LineOut`. `lost` holds the reason while the device is gone."""

    def __init__(
        self,
        *,
        open_pcm: Callable[[], OutputPcm],
        new_decoder: Callable[[], Decoder],
        playout_min_s: float = 0.040,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_pcm, self._new_decoder, self._clock = open_pcm, new_decoder, clock
        self._playout_min_s = playout_min_s
        self._lock = threading.Lock()
        self._tracks: dict[str, _Track] = {}
        self._target: str | None = None
        self._muted = False
        self._gain = 1.0
        self._stop = threading.Event()
        self.xruns = self.reopens = 0
        self._past = {"received": 0, "played": 0, "concealed": 0, "late": 0, "dropped": 0}
        self.level = Level()
        self.lost: str | None = None
        self.last_period_s = clock()
        self.last_voice_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="playback", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after half a second."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, STOP_S)

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
        """The session has ended: forget its tracks."""
        with self._lock:
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
            _add(self._past, track)

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            try:
                pcm = self._open_pcm()
            except (DeviceLost, ServiceError) as problem:
                self._declare_lost(str(problem))
                self._stop.wait(REOPEN_S[min(tries, len(REOPEN_S) - 1)])
                tries += 1
                continue
            if self.lost is not None:
                log.info("line-out is back")
                self.reopens += 1
            self.lost, tries = None, 0
            try:
                self._write_all(pcm)
            except DeviceLost as problem:
                self._declare_lost(str(problem))
            finally:
                pcm.close()

    def _declare_lost(self, why: str) -> None:
        if self.lost is None:
            log.warning("line-out is lost: %s", why)
        self.lost, self.level = why, Level()

    def _write_all(self, pcm: OutputPcm) -> None:
        # The first write starts the card, so it has to fill the whole buffer at once.
        lead = bytes(2 * (pcm.buffer_samples - PERIOD_SAMPLES))
        pcm.write(lead + self._period())
        while not self._stop.is_set():
            period = self._period()
            if not pcm.write(period):
                self.xruns += 1
                pcm.write(lead + period)
            self.last_period_s = self._clock()

    def _period(self) -> bytes:
        """One period of sound, mono s16."""
        mix = np.zeros(PERIOD_SAMPLES, np.float32)
        now_s = self._clock()
        with self._lock:
            chosen = pick_track(self._target, tuple(self._tracks)) if self._target is not None else None
            for language, track in self._tracks.items():
                piece = track.playout.pull(now_s, PERIOD_SAMPLES)
                wanted = 1.0 if language == chosen else 0.0
                if wanted or track.gain:
                    mix += piece * _ramp(track.gain, wanted, SELECT_SAMPLES)
                    track.gain = wanted
        if np.abs(mix).max() > VOICE:
            self.last_voice_s = now_s
        wanted = 0.0 if self._muted else 1.0
        mix *= _ramp(self._gain, wanted, MUTE_SAMPLES if self._muted else UNMUTE_SAMPLES)
        self._gain = wanted
        self.level = level(mix)
        return (np.clip(mix, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def _ramp(before: float, after: float, samples: int) -> Samples | float:
    """Gains that go from one value to the other within `samples`, and stay there."""
    if before == after:
        return after
    length = min(samples, PERIOD_SAMPLES)
    ramp = np.full(PERIOD_SAMPLES, after, np.float32)
    ramp[:length] = np.linspace(before, after, length, dtype=np.float32)
    return ramp


def _add(total: dict[str, int], track: _Track) -> None:
    stats = track.playout.stats
    for name in total:
        total[name] += getattr(stats, name)
