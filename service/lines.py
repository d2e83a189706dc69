"""Line-in and line-out as the settings name them: for the box, and for the verbs that work without it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from service.core.audio import RATE_HZ
from service.core.devices import parse_device
from service.core.routes import NoSuchRoute, OutputChannel, Route
from service.dsp.bridge import Bridge
from service.dsp.limiter import Limiter
from service.dsp.meter import Meter
from service.dsp.playout import Playout
from service.dsp.sides import Sides
from service.settings import Settings
from service.sound.alsa import AlsaInput, AlsaOutput
from service.sound.capture import Capture
from service.sound.cushion import Cushion
from service.sound.device_thread import CAPTURE_PRIORITY, PLAYBACK_PRIORITY
from service.sound.floor import Floor, Samples
from service.sound.line_out import Card, LineOut
from service.sound.opus import OpusDecoder, OpusEncoder
from service.sound.pcm import InputPcm, OutputPcm
from service.sound.playback import Playback
from service.sound.resampler import SoxrResampler
from service.sound.tone import Toner
from service.sound.tracks import Tracks
from service.sound.wav import WavInput, WavOutput


@asynccontextmanager
async def open_line_in(
    settings: Settings, *, go: threading.Event, ended: threading.Event, on_sound: Callable[[Samples], object] = len
) -> AsyncIterator[Capture]:
    """Line-in, its thread running. A recording starts with `go` and sets `ended`."""
    keys = settings.audio.input
    capture = Capture(
        open_pcm=_input(settings, go, ended),
        new_encoder=OpusEncoder,
        go=go,
        on_sound=on_sound,
        gain_db=keys.gain_db,
        sides=Sides() if keys.channel == "sum" else None,
        pre_roll_s=keys.pre_roll_s,
        priority=_priority(str(keys.device), CAPTURE_PRIORITY),
        meter=Meter(silence_dbfs=keys.silence_dbfs, silent_after_s=keys.silence_alarm_after_s),
    )
    capture.start()
    try:
        yield capture
    finally:
        await capture.stop()


@asynccontextmanager
async def open_line_out(
    settings: Settings, *, clocks: MutableMapping[str, float] | None = None
) -> AsyncIterator[LineOut]:
    """Line-out, the threads of its cards running. `clocks` is what is known of the cards' clocks, in ppm by device, and
    at the end what was learnt."""
    clocks = {} if clocks is None else clocks
    devices: dict[str, list[Route]] = {}
    for route in settings.audio.output.routes():
        devices.setdefault(route.device, []).append(route)
    cards = {device: _card(settings, device, routes, clocks.get(device)) for device, routes in devices.items()}
    line_out = LineOut(cards)
    line_out.start()
    try:
        yield line_out
    finally:
        await line_out.stop()
        for device, card in cards.items():
            if card.tracks.drift_ppm is not None:
                clocks[device] = round(card.tracks.drift_ppm, 1)


def route_of(settings: Settings, number: int | None, channel: OutputChannel | None) -> tuple[str | None, OutputChannel]:
    """The device and channel that a person means by the number of a route, the first being 1; None is all devices.
    Raises NoSuchRoute."""
    if number is None:
        return None, channel or "both"
    routes = settings.audio.output.routes()
    if number > len(routes):
        raise NoSuchRoute(f"route: there is none of number {number}; the last one is {len(routes)}")
    return routes[number - 1].device, channel or routes[number - 1].channel


def _card(settings: Settings, device: str, routes: Sequence[Route], drift_ppm: float | None) -> Card:
    keys = settings.audio.output
    ramp_samples = keys.ramp_ms * RATE_HZ // 1000
    crossfade_samples = settings.fallback.crossfade_ms * RATE_HZ // 1000
    tracks = Tracks(
        routes=routes,
        known=[target for pair in settings.menu().pairs for target in pair.targets],
        new_playout=lambda ppm: Playout(
            decoder=OpusDecoder(),
            resampler=SoxrResampler(),
            min_target_s=keys.playout_min_ms / 1000,
            drift_ppm=ppm,
        ),
        drift_ppm=drift_ppm,
        ramp_samples=ramp_samples,
        crossfade_samples=crossfade_samples,
    )
    floor = Floor(
        routes=routes,
        bridge=Bridge(resampler=SoxrResampler()),
        crossfade_samples=crossfade_samples,
        under=None if keys.floor_mix_db is None else _late_bridge(keys.floor_mix_delay_ms),
        under_db=keys.floor_mix_db or 0.0,
    )
    toner, cushion = Toner(), Cushion() if parse_device(device).kind != "wav" else None
    channels = 1 if {route.channel for route in routes} == {"both"} else 2
    playback = Playback(
        open_pcm=_output(settings, device, channels=channels, cushion=cushion),
        sources=[tracks, floor, toner],
        new_limiter=lambda: Limiter(max_dbfs=keys.max_dbfs, spl_at_full_scale=keys.spl_at_full_scale),
        ramp_samples=ramp_samples,
        cushion=cushion,
        priority=_priority(device, PLAYBACK_PRIORITY),
        stereo=len({route.channel for route in routes}) > 1,
        name="line-out" if len(settings.audio.output.route) <= 1 else f"line-out {device}",
    )
    return Card(playback, tracks, floor, toner)


def _late_bridge(delay_ms: int) -> Bridge:
    return Bridge(resampler=SoxrResampler(), delay_s=delay_ms / 1000)


def _priority(device: str, priority: int) -> int | None:
    """Only where a card sets the pace: a sound server is a process that has to run as well, or both stand still."""
    return priority if parse_device(device).kind in ("card", "usb") else None


def _input(settings: Settings, go: threading.Event, ended: threading.Event) -> Callable[[], InputPcm]:
    uri = parse_device(str(settings.audio.input.device))
    channel = settings.audio.input.channel
    if uri.kind == "wav":
        return lambda: WavInput(Path(uri.value), channel=channel, go=go, finished=ended)
    return lambda: AlsaInput(uri, channel=channel, mixer=settings.audio.input.mixer)


def _output(settings: Settings, device: str, *, channels: int, cushion: Cushion | None) -> Callable[[], OutputPcm]:
    """A card has the channels it has, a file those that are needed."""
    uri = parse_device(device)
    if cushion is None:
        return lambda: WavOutput(Path(uri.value), channels=channels)
    return lambda: AlsaOutput(uri, mixer=settings.audio.output.mixer, periods=cushion.periods)
