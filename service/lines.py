"""Line-in and line-out as the settings name them: for the box, and for the verbs that work without it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from service.core.devices import parse_device
from service.dsp.meter import Meter
from service.settings import Settings
from service.sound.alsa import AlsaInput, AlsaOutput
from service.sound.capture import Capture
from service.sound.opus import OpusDecoder, OpusEncoder
from service.sound.pcm import InputPcm, OutputPcm
from service.sound.playback import Playback
from service.sound.wav import WavInput, WavOutput


@asynccontextmanager
async def open_line_in(settings: Settings, *, go: threading.Event, ended: threading.Event) -> AsyncIterator[Capture]:
    """Line-in, its thread running. A recording starts with `go` and sets `ended`."""
    keys = settings.audio.input
    capture = Capture(
        open_pcm=_input(settings, go, ended),
        encoder=OpusEncoder(),
        go=go,
        gain_db=keys.gain_db,
        meter=Meter(silence_dbfs=keys.silence_dbfs, silent_after_s=keys.silence_alarm_after_s),
    )
    capture.start()
    try:
        yield capture
    finally:
        await capture.stop()


@asynccontextmanager
async def open_line_out(settings: Settings) -> AsyncIterator[Playback]:
    """Line-out, its thread running."""
    playback = Playback(
        open_pcm=_output(settings),
        new_decoder=OpusDecoder,
        targets=[target for pair in settings.menu().pairs for target in pair.targets],
        playout_min_s=settings.audio.output.playout_min_ms / 1000,
    )
    playback.start()
    try:
        yield playback
    finally:
        await playback.stop()


def _input(settings: Settings, go: threading.Event, ended: threading.Event) -> Callable[[], InputPcm]:
    uri = parse_device(str(settings.audio.input.device))
    channel = settings.audio.input.channel
    if uri.kind == "wav":
        return lambda: WavInput(Path(uri.value), channel=channel, go=go, finished=ended)
    return lambda: AlsaInput(uri, channel=channel)


def _output(settings: Settings) -> Callable[[], OutputPcm]:
    uri = parse_device(str(settings.audio.output.device))
    if uri.kind == "wav":
        return lambda: WavOutput(Path(uri.value))
    return lambda: AlsaOutput(uri)
