"""A line-out on the test's own thread, in the time of its fake cards: 10 ms pass with each period that they take."""

import numpy as np

from service.core.audio import RATE_HZ, EncodedFrame
from service.core.routes import Route
from service.dsp.bridge import Bridge
from service.dsp.limiter import Limiter
from service.dsp.playout import Playout
from service.sound.cushion import Cushion
from service.sound.floor import Floor
from service.sound.line_out import Card, LineOut
from service.sound.pcm import PERIOD_SAMPLES
from service.sound.playback import Playback
from service.sound.resampler import SoxrResampler
from service.sound.tone import Toner
from service.sound.tracks import Tracks
from tests.fakes.sound import Clock, FakeDecoder, FakeOutput

PERIOD_S = PERIOD_SAMPLES / RATE_HZ
RAMP_SAMPLES = 3 * PERIOD_SAMPLES
CROSSFADE_SAMPLES = 25 * PERIOD_SAMPLES


class ToneDecoder(FakeDecoder):
    """Whatever comes, 440 Hz goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def _samples(self, what: str, payload: bytes, samples: int) -> bytes:
        steps = np.arange(self.at, self.at + samples)
        self.at += samples
        return (0.5 * np.sin(2 * np.pi * 440 * steps / RATE_HZ)).astype("<f4").tobytes()


class Desk:
    """`play` lets so many periods pass on every card; then the story ends or goes on. With `floor_level`, line-in has
    this value all the while.

    `devices` are the cards by name, by default one that is mono; the routes lead to the first one. The ceiling is full
    scale, unless told otherwise.
    """

    def __init__(
        self,
        devices=None,
        *,
        routes=None,
        known=(),
        new_decoder=FakeDecoder,
        ramp_samples=RAMP_SAMPLES,
        max_dbfs=0.0,
        under_db=None,
        under_delay_s=0.0,
        clock=None,
    ):
        self.clock = clock or Clock()
        self.under_db, self.under_delay_s = under_db, under_delay_s
        self.floor_level: float | None = None
        self.cushion = Cushion()
        self.devices: dict[str, FakeOutput] = devices or {"card": FakeOutput()}
        self.routes = routes or [Route(next(iter(self.devices)))]
        self.known, self.new_decoder, self.ramp_samples, self.max_dbfs = known, new_decoder, ramp_samples, max_dbfs
        self.line_out = LineOut({name: self._card(name) for name in self.devices})
        self.playback = next(iter(self.line_out.cards.values())).playback
        self._periods = {}
        self._arriving: list = []

    def _card(self, name: str) -> Card:
        routes = [route for route in self.routes if route.device == name]
        tracks = Tracks(
            routes=routes,
            known=self.known,
            new_playout=lambda drift_ppm: Playout(decoder=self.new_decoder(), min_target_s=0.020),
            ramp_samples=self.ramp_samples,
            crossfade_samples=CROSSFADE_SAMPLES,
            clock=self.clock,
        )
        floor = Floor(
            routes=routes,
            bridge=Bridge(resampler=SoxrResampler()),
            crossfade_samples=CROSSFADE_SAMPLES,
            under=None if self.under_db is None else Bridge(resampler=SoxrResampler(), delay_s=self.under_delay_s),
            under_db=self.under_db or 0.0,
        )
        toner = Toner()
        playback = Playback(
            open_pcm=lambda: self.devices[name],
            sources=[tracks, floor, toner],
            new_limiter=lambda: Limiter(max_dbfs=self.max_dbfs),
            ramp_samples=self.ramp_samples,
            cushion=self.cushion,
            stereo=len({route.channel for route in routes}) > 1,
            clock=self.clock,
            pause=self.clock.sleep,
        )
        return Card(playback, tracks, floor, toner)

    @property
    def device(self) -> FakeOutput:
        """The only card, or the first one."""
        return next(iter(self.devices.values()))

    def play(self, periods: int) -> np.ndarray:
        """What these periods sound like on the first card, while the tracks' packets come in time."""
        before = len(self.device.samples)
        for _ in range(periods):
            self.arrive()
            if self.floor_level is not None:
                self.line_out.put_floor(np.full(PERIOD_SAMPLES, self.floor_level, np.float32))
            for name, card in self.line_out.cards.items():
                if name not in self._periods:
                    self._periods[name] = card.playback._periods(self.devices[name])
                next(self._periods[name])
            self.clock.sleep(PERIOD_S)
        return self.device.samples[before:] / 32767

    def heard(self, name: str) -> np.ndarray:
        """All that this card has taken, full scale 1.0."""
        return self.devices[name].samples / 32767

    def arrive(self) -> None:
        """The packets whose time has come."""
        for sink, payloads, began_s, numbers in self._arriving:
            while numbers and began_s + numbers[0] * 0.020 <= self.clock():
                number = numbers.pop(0)
                sink.push(EncodedFrame(number, number * 960, payloads[number % len(payloads)]))

    def track(self, language: str, value: str | list[bytes], *, frames: int = 1000) -> None:
        """A new track, all of whose samples have this value, or with these payloads. It is heard from 60 ms on."""
        sink = self.line_out.sink(language)
        payloads = [value.encode()] if isinstance(value, str) else value
        if sink is not None:
            self._arriving.append((sink, payloads, self.clock(), list(range(frames))))


def steady(samples: np.ndarray) -> list[float]:
    """The values there are."""
    return sorted(set(np.round(samples, 2).ravel().tolist()))


def roughness(samples: np.ndarray) -> float:
    """The largest second difference: what a click raises. Of one LSB of rounding it is 6e-5."""
    return float(np.abs(np.diff(samples, n=2, axis=0)).max())
