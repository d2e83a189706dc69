"""ALSA by pyalsaaudio (audio-path 1)."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import alsaaudio
import numpy as np

from service.core.audio import RATE_HZ
from service.core.devices import DeviceUri
from service.core.errors import FaultCode, SoundCardMissing
from service.sound.cards import pcm_name
from service.sound.cushion import USUAL_PERIODS
from service.sound.libasound import knock
from service.sound.mixer import set_controls
from service.sound.pcm import MAX_CHANNELS, PERIOD_SAMPLES, Channel, DeviceLost, Raw, least_channels, one_channel

log = logging.getLogger(__name__)

CAPTURE_PERIODS = 50  # 500 ms: costs no delay, since the reader is always at the front, and survives stalls
XRUN = -32
NO_CONTROLS: Mapping[str, str] = MappingProxyType({})
BAD_PERIODS = 10  # so many in a row, and the card is lost: it would be asked again without end and without a wait

_DIRECTIONS = {
    alsaaudio.PCM_CAPTURE: ("audio.input", FaultCode.SOUND_IN),
    alsaaudio.PCM_PLAYBACK: ("audio.output", FaultCode.SOUND_OUT),
}


class AlsaInput:
    """A capture PCM; promises `InputPcm`. Raises DeviceLost, or SoundCardMissing when the card cannot do the work.

    The controls of the card's `mixer` are set at each opening.
    """

    def __init__(self, uri: DeviceUri, *, channel: Channel, mixer: Mapping[str, str] = NO_CONTROLS) -> None:
        self._channel = channel
        self._card = _Card(alsaaudio.PCM_CAPTURE, uri, periods=CAPTURE_PERIODS, channels=least_channels(channel))
        self._card.set_mixer(mixer)
        self.raw = self._sorted(b"")

    def read(self) -> bytes | None:
        """One period or less."""
        count, data = self._card.call(self._card.pcm.read)
        self._card.judge(count)
        self.raw = self._sorted(data if count > 0 else b"")
        return None if count == XRUN else one_channel(self.raw, self._channel)

    def close(self) -> None:
        """Stop at once."""
        self._card.close()

    def seize(self) -> None:
        """See `Seizable`."""
        self._card.seize()

    def _sorted(self, data: bytes) -> Raw:
        return np.frombuffer(data, "<i2").reshape(-1, self._card.channels)


class AlsaOutput:
    """A playback PCM that holds so many `periods`; promises `OutputPcm`. Raises as AlsaInput."""

    def __init__(self, uri: DeviceUri, *, mixer: Mapping[str, str] = NO_CONTROLS, periods: int = USUAL_PERIODS) -> None:
        self._card = _Card(alsaaudio.PCM_PLAYBACK, uri, periods=periods)
        self._card.set_mixer(mixer)
        self.channels, self.buffer_samples = self._card.channels, self._card.buffer_samples

    def write(self, pcm: bytes) -> bool:
        """Blocks until the card has taken all."""
        taken = self._card.call(self._card.pcm.write, pcm)
        self._card.judge(taken)
        if taken <= 0 and taken != XRUN:
            raise self._card.lost("the card takes no sound")
        return bool(taken != XRUN)

    def close(self) -> None:
        """Stop at once."""
        self._card.close()

    def seize(self) -> None:
        """See `Seizable`."""
        self._card.seize()


class _Card:
    """An open PCM at 48 kHz s16 with at least so many channels: the card itself, or else through ALSA's conversions."""

    def __init__(self, direction: int, uri: DeviceUri, *, periods: int, channels: int = 1) -> None:
        self._table, self._code = _DIRECTIONS[direction]
        self._name, self._direction = f"{self._table}.device: {uri}", direction
        self._periods, self._least = periods, channels
        self._bad = 0
        self._inside = threading.Lock()  # while a thread is in ALSA with this PCM
        self.pcm: Any = None
        name = pcm_name(uri)
        if name is None:
            raise self.lost("no sound card at this USB path")
        self._device = name
        knock(name, direction)
        info = self._negotiate(name)
        self.channels, self.buffer_samples = int(info["channels"]), int(info["buffer_size"])
        log.debug("%s: %s x %d periods of %d", self._name, _given(info), info["periods"], info["period_size"])

    def _negotiate(self, name: str) -> dict[str, Any]:
        """What is given in the end: ALSA refuses nothing, so that has to be read back."""
        # Stereo rather than mono: asked for mono, a device that converts would mix, and no channel be left to choose.
        info = self._open(name, channels=max(2, self._least))
        if info["channels"] < self._least:
            info = self._open(name, channels=MAX_CHANNELS)
        card = info
        if not _is_ours(info) and name.startswith("hw:"):
            # With the card's own channels: others would be made up, or mixed.
            info = self._open(f"plug{name}", channels=card["channels"])
            if _is_ours(info):
                log.info("%s: through ALSA's conversions, since the card gives %s", self._name, _given(card))
        if not _is_ours(info) or info["channels"] < self._least:
            self.close()
            raise SoundCardMissing(
                f"{self._name}: the card gives {_given(card)}; needed are {RATE_HZ} Hz, S16_LE, "
                f"channels: {self._least} or more",
                code=self._code,
            )
        return info

    def _open(self, name: str, *, channels: int) -> dict[str, Any]:
        if self.pcm is not None:
            self.close()
        try:
            self.pcm = alsaaudio.PCM(
                self._direction,
                device=name,
                rate=RATE_HZ,
                channels=channels,
                format=alsaaudio.PCM_FORMAT_S16_LE,
                periodsize=PERIOD_SAMPLES,
                periods=self._periods,
            )
        except alsaaudio.ALSAAudioError as problem:
            raise self.lost(str(problem)) from None
        return dict(self.pcm.info())

    def set_mixer(self, controls: Mapping[str, str]) -> None:
        """Set these controls; the mixer has the device's name."""
        set_controls(self._device, controls, direction=self._direction, key=f"{self._table}.mixer")

    def call(self, method: Callable[..., Any], *arguments: bytes) -> Any:
        """What `read` or `write` returns."""
        try:
            with self._inside:
                return method(*arguments)
        except alsaaudio.ALSAAudioError as problem:
            raise self.lost(str(problem)) from None

    def judge(self, count: int) -> None:
        """Count periods without sound."""
        self._bad = 0 if count > 0 else self._bad + 1
        if self._bad >= BAD_PERIODS:
            raise self.lost(f"{BAD_PERIODS} periods without sound")

    def lost(self, reason: str) -> DeviceLost:
        """The error to raise."""
        return DeviceLost(f"{self._name}: {reason}")

    def close(self) -> None:
        """Stop at once."""
        with self._inside:
            close(self.pcm)

    def seize(self) -> None:
        """Close it, unless somebody is in it. Whoever comes back to it finds it closed, and is told that it is lost."""
        if self._inside.acquire(blocking=False):
            try:
                close(self.pcm)
            finally:
                self._inside.release()


def close(pcm: Any) -> None:
    """Drop first: `close` alone drains, and can hang for ever."""
    for stop in (pcm.drop, pcm.close):
        with contextlib.suppress(alsaaudio.ALSAAudioError):
            stop()


def _is_ours(info: dict[str, Any]) -> bool:
    return (info["rate"], info["format_name"]) == (RATE_HZ, "S16_LE")


def _given(info: dict[str, Any]) -> str:
    return f"{info['rate']} Hz, {info['format_name']}, channels: {info['channels']}"
