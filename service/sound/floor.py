"""The floor: the speaker's own sound on one card of line-out, instead of a translation or quietly under it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.floor import Programme
from service.core.routes import Route
from service.dsp.bridge import Bridge
from service.dsp.mixer import Strip, gains
from service.dsp.tone import Beeps
from service.sound.pcm import PERIOD_SAMPLES

Samples = NDArray[np.float32]


class Floor:
    """A `service.sound.playback.Source`: for each route whatever its target's programme asks for but the translation.

    `bridge` leads from line-in's clock to this card's. With `under`, a second one, the floor is also mixed into the
    translation, `under_db` quieter. Each comes and goes within `crossfade_samples`, as the translations do.
    """

    def __init__(
        self,
        *,
        routes: Sequence[Route],
        bridge: Bridge,
        crossfade_samples: int,
        under: Bridge | None = None,
        under_db: float = 0.0,
    ) -> None:
        self._routes, self._crossfade_samples = routes, crossfade_samples
        self._programmes: Mapping[str, Programme] = {}
        self._lock = threading.Lock()
        self._bridge, self._under, self._under_db = bridge, under, under_db
        self._beeps = Beeps()
        self._strips: dict[Programme, Strip] = {}
        self.begin(2)

    def put(self, samples: Samples) -> None:
        """Line-in has heard this, on its own thread."""
        with self._lock:
            self._bridge.put(samples)
            if self._under is not None:
                self._under.put(samples)

    def play(self, programmes: Mapping[str, Programme]) -> None:
        """Let each target's listeners hear this from the next period on."""
        self._programmes = programmes

    def begin(self, channels: int) -> None:
        """A device with so many channels is there: everything starts from silence."""
        self._channels = channels
        self._strips = {
            programme: Strip(channels=channels)
            for programme in (Programme.FLOOR, Programme.TONE, Programme.TRANSLATION)
        }

    @property
    def echoes(self) -> bool:
        """Whether what it gives now is line-in's own sound."""
        return not all(self._strips[programme].silent for programme in (Programme.FLOOR, Programme.TRANSLATION))

    def pieces(self, now_s: float) -> list[tuple[Strip, Samples]]:
        """The next period of what is to be heard."""
        self._aim()
        with self._lock:
            return [(strip, self._piece(programme)) for programme, strip in self._strips.items() if not strip.silent]

    def _piece(self, programme: Programme) -> Samples:
        if programme is Programme.TONE:
            return self._beeps.pull(PERIOD_SAMPLES)
        bridge = self._bridge if programme is Programme.FLOOR else self._under
        assert bridge is not None
        return bridge.pull(PERIOD_SAMPLES)

    def _aim(self) -> None:
        programmes = self._programmes
        wanted = {programme: np.zeros(self._channels, np.float32) for programme in self._strips}
        for route in self._routes:
            programme = programmes.get(route.target_of(tuple(programmes)) or "", Programme.SILENCE)
            if programme is Programme.TRANSLATION and self._under is None or programme not in wanted:
                continue
            under_db = self._under_db if programme is Programme.TRANSLATION else 0.0
            wanted[programme] += gains(route.channel, route.gain_db + under_db, channels=self._channels)
        for programme, strip in self._strips.items():
            strip.to(wanted[programme], samples=self._crossfade_samples)
