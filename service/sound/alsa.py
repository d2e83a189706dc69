"""ALSA by pyalsaaudio (audio-path 1)."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Literal

import alsaaudio
import numpy as np

from service.core.audio import RATE_HZ
from service.core.devices import DeviceUri
from service.sound.pcm import PERIOD_SAMPLES, DeviceLost

Channel = Literal["left", "right", "mix"]

SYSFS = Path("/sys/class/sound")
CAPTURE_PERIODS = 50  # 500 ms: costs no delay, since the reader is always at the front, and survives stalls
PLAYBACK_PERIODS = 4
XRUN = -32


def pcm_name(uri: DeviceUri, *, sysfs: Path = SYSFS) -> str:
    """What to open for this URI now. Raises DeviceLost when no card stands at the USB path."""
    if uri.kind == "pcm":
        return uri.value
    if uri.kind == "card":
        return f"hw:CARD={uri.value}"
    for card in sorted(sysfs.glob("card[0-9]*")):
        path = (card / "device").resolve().name  # 1-1.3:1.0
        if path.split(":")[0] == uri.value:
            return f"hw:CARD={(card / 'id').read_text().strip()}"
    raise DeviceLost(f"{uri}: no sound card at this USB path")


def _open(direction: int, uri: DeviceUri, periods: int) -> tuple[Any, dict[str, Any]]:
    """The device at 48 kHz s16, mono or stereo, the card itself first and ALSA's conversions second.

    ALSA refuses nothing and gives what it can, so what was given is read back.
    """
    name = pcm_name(uri)
    names = [name, f"plug{name}"] if name.startswith("hw:") else [name]
    given = "nothing"
    for one in names:
        for channels in (1, 2):
            try:
                pcm = alsaaudio.PCM(
                    direction,
                    device=one,
                    rate=RATE_HZ,
                    channels=channels,
                    format=alsaaudio.PCM_FORMAT_S16_LE,
                    periodsize=PERIOD_SAMPLES,
                    periods=periods,
                )
            except alsaaudio.ALSAAudioError as problem:
                raise DeviceLost(f"{uri}: {problem}") from None
            info = pcm.info()
            if info["rate"] == RATE_HZ and info["format_name"] == "S16_LE" and info["channels"] == channels:
                return pcm, info
            given = f"{info['rate']} Hz, {info['format_name']}, {info['channels']} channels"
            with contextlib.suppress(alsaaudio.ALSAAudioError):
                pcm.close()
    raise DeviceLost(f"{uri}: the card gives {given}; needed are {RATE_HZ} Hz, S16_LE, 1 or 2 channels")


class AlsaInput:
    """A capture PCM; promises `InputPcm`."""

    def __init__(self, uri: DeviceUri, *, channel: Channel) -> None:
        self._uri, self._channel = uri, channel
        self._pcm, info = _open(alsaaudio.PCM_CAPTURE, uri, CAPTURE_PERIODS)
        self._channels = info["channels"]
        self._empty = 0

    def read(self) -> bytes | None:
        """One period or less."""
        try:
            count, data = self._pcm.read()
        except alsaaudio.ALSAAudioError as problem:
            raise DeviceLost(f"{self._uri}: {problem}") from None
        if count == XRUN:
            return None
        if count <= 0:
            self._empty += 1
            if self._empty >= 10:
                raise DeviceLost(f"{self._uri}: the card gives no sound")
            return b""
        self._empty = 0
        return one_channel(data, self._channels, self._channel)

    def close(self) -> None:
        """Drop first: `close` alone drains, and can hang for ever."""
        _close(self._pcm)


class AlsaOutput:
    """A playback PCM; promises `OutputPcm`. Mono is laid on both channels of a stereo card."""

    def __init__(self, uri: DeviceUri) -> None:
        self._uri = uri
        self._pcm, info = _open(alsaaudio.PCM_PLAYBACK, uri, PLAYBACK_PERIODS)
        self._channels = info["channels"]
        self.buffer_samples = int(info["buffer_size"])

    def write(self, pcm: bytes) -> bool:
        """Blocks until the card has taken all."""
        data = np.repeat(np.frombuffer(pcm, "<i2"), self._channels).tobytes()
        try:
            taken = self._pcm.write(data)
        except alsaaudio.ALSAAudioError as problem:
            raise DeviceLost(f"{self._uri}: {problem}") from None
        if taken != XRUN and taken <= 0:
            raise DeviceLost(f"{self._uri}: the card takes no sound")
        return bool(taken != XRUN)

    def close(self) -> None:
        """Drop first: `close` alone drains, and can hang for ever."""
        _close(self._pcm)


def _close(pcm: Any) -> None:
    with contextlib.suppress(alsaaudio.ALSAAudioError):
        pcm.drop()
    with contextlib.suppress(alsaaudio.ALSAAudioError):
        pcm.close()


def one_channel(data: bytes, channels: int, channel: Channel) -> bytes:
    """The chosen channel of interleaved s16; "mix" is the mean. Mono stays as it is."""
    if channels == 1:
        return data
    samples = np.frombuffer(data, "<i2").reshape(-1, channels)
    if channel == "mix":
        return bytes(samples[:, :2].mean(axis=1).astype("<i2").tobytes())
    return bytes(samples[:, 0 if channel == "left" else 1].tobytes())


def stable_name(number: str, *, sysfs: Path = SYSFS) -> str | None:
    """The URI of the card that `hw:N` means today, for the message that refuses it."""
    match = re.search(r"\d+", number)
    id_file = sysfs / f"card{match[0]}" / "id" if match else None
    return f"alsa:card={id_file.read_text().strip()}" if id_file and id_file.is_file() else None
