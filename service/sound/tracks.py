"""The translations as one card plays them: a playout for each language, on the card's own clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.audio import VOICE, EncodedFrame
from service.core.floor import Programme
from service.core.languages import pick_track
from service.core.routes import Route
from service.dsp.mixer import Strip, gains
from service.dsp.playout import Playout
from service.dsp.playout_stats import PlayoutState
from service.sound.pcm import PERIOD_SAMPLES

Samples = NDArray[np.float32]

TRANSLATION = Programme.TRANSLATION


class Track:
    """The packets of one language: pushed on the event loop, pulled on the playback thread."""

    def __init__(self, playout: Playout, strip: Strip, *, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self.playout, self.strip = playout, strip
        self._lock, self._clock = lock, clock

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet."""
        with self._lock:
            self.playout.put(self._clock(), frame)


class Tracks:
    """A `service.sound.playback.Source`. `known` are all targets that may be asked for; a track that is replaced or no
    longer selected fades within `ramp_samples`, one whose place something else takes within `crossfade_samples`.
    `new_playout` is given what is known of the card's clock; `drift_ppm` is known from before."""

    def __init__(
        self,
        *,
        routes: Sequence[Route],
        known: Iterable[str],
        new_playout: Callable[[float | None], Playout],
        ramp_samples: int,
        crossfade_samples: int,
        drift_ppm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes, self._known = routes, tuple(known)
        self._new_playout, self._clock = new_playout, clock
        self._ramp_samples, self._crossfade_samples = ramp_samples, crossfade_samples
        self._ramp = ramp_samples  # of the next change
        self._channels = 2
        self._lock = threading.Lock()
        self._targets: Sequence[str] = ()  # of the pair that runs
        self._tracks: dict[str, Track] = {}
        # Replaced, and heard until they have faded; a second one of the same language would end the first at once.
        self._leaving: dict[str, Track] = {}
        self._programmes: Mapping[str, Programme] = {}
        self._heard_s: dict[str, float] = {}
        self._drift_ppm = drift_ppm
        self._past = {"received": 0, "played": 0, "concealed": 0, "late": 0, "dropped": 0}

    def sink(self, language: str) -> Track | None:
        """Where the packets of this language's track go; a new stream each time it is asked for. None where no route
        of this card could ever take it."""
        if not any(route.may_take(language, self._known) for route in self._routes):
            return None
        playout = self._new_playout(self.drift_ppm)
        track = Track(playout, Strip(channels=self._channels), lock=self._lock, clock=self._clock)
        with self._lock:
            self._retire(language)
            self._tracks[language] = track
        return track

    def select(self, targets: Sequence[str]) -> None:
        """Let these be heard, each where its route says."""
        self._targets = targets

    def play(self, programmes: Mapping[str, Programme]) -> None:
        """Let each target be heard where its programme is the translation; one that is not named is."""
        with self._lock:
            if programmes != self._programmes:
                self._programmes, self._ramp = programmes, self._crossfade_samples

    def heard_s(self, target: str) -> float | None:
        """When the translation to this target last had sound, heard or not."""
        with self._lock:
            language = pick_track(target, tuple(self._tracks), others=self._known)
            return None if language is None else self._heard_s.get(language)

    def clear(self) -> None:
        """The session has ended: forget its tracks, and what was to be heard of them."""
        with self._lock:
            self._targets = ()
            self._heard_s.clear()
            for language in list(self._tracks):
                self._retire(language)

    @property
    def frames(self) -> dict[str, int]:
        """What became of the packets, counted since the start: received, played, concealed, late, dropped."""
        with self._lock:
            total = dict(self._past)
            for track in (*self._tracks.values(), *self._leaving.values()):
                _add(total, track)
            return total

    @property
    def drift_ppm(self) -> float | None:
        """What a playout has learnt of the card's clock; each new one begins with it."""
        with self._lock:
            for track in (*self._leaving.values(), *self._tracks.values()):
                self._note_drift(track)
            return self._drift_ppm

    @property
    def playouts(self) -> dict[str, PlayoutState]:
        """How each language fares on its way to this card."""
        with self._lock:
            return {language: track.playout.state(self._clock()) for language, track in self._tracks.items()}

    @property
    def echoes(self) -> bool:
        """Whether what it gives now is line-in's own sound."""
        return False

    # -- on the playback thread ---------------------------------------------------------------------------------

    def begin(self, channels: int) -> None:
        """A device with so many channels is there: everything starts from silence."""
        with self._lock:
            self._channels = channels
            for language in list(self._leaving):
                self._forget(language)
            for track in self._tracks.values():
                track.strip = Strip(channels=channels)

    def pieces(self, now_s: float) -> list[tuple[Strip, Samples]]:
        """The next period of each, heard or not, with the strips on their way to where they are wanted."""
        with self._lock:
            self._aim()
            pieces = {language: track.playout.pull(now_s, PERIOD_SAMPLES) for language, track in self._tracks.items()}
            self._heard_s |= {language: now_s for language, piece in pieces.items() if np.abs(piece).max() > VOICE}
            leaving = [(track.strip, track.playout.pull(now_s, PERIOD_SAMPLES)) for track in self._leaving.values()]
            return [(self._tracks[language].strip, piece) for language, piece in pieces.items()] + leaving

    def _aim(self) -> None:
        silence = np.zeros(self._channels, np.float32)
        wanted = {language: silence for language in self._tracks}
        for route in self._routes:
            target = route.target_of(self._targets)
            language = None if target is None else pick_track(target, tuple(self._tracks), others=self._known)
            if language is not None and self._programmes.get(str(target), TRANSLATION) is TRANSLATION:
                wanted[language] = wanted[language] + gains(route.channel, route.gain_db, channels=self._channels)
        for language, track in self._tracks.items():
            track.strip.to(wanted[language], samples=self._ramp)
        self._ramp = self._ramp_samples
        for language, track in list(self._leaving.items()):
            track.strip.to(silence, samples=self._ramp_samples)
            if track.strip.silent:
                self._forget(language)

    def _retire(self, language: str) -> None:
        track = self._tracks.pop(language, None)
        if track is not None:
            self._forget(language)
            self._leaving[language] = track

    def _forget(self, language: str) -> None:
        track = self._leaving.pop(language, None)
        if track is not None:
            self._note_drift(track)
            _add(self._past, track)

    def _note_drift(self, track: Track) -> None:
        ppm = track.playout.learnt_ppm
        if ppm is not None:
            self._drift_ppm = ppm


def _add(total: dict[str, int], track: Track) -> None:
    stats = track.playout.stats
    for name in total:
        total[name] += getattr(stats, name)
