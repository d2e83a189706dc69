"""What a direction of sound is, to the thread that serves it: a card or a file, opened, then read or written.

Both block: the device is the clock. Sound is s16 at 48 kHz; samples are counted per channel.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

PERIOD_SAMPLES = 480

Channel = Literal["left", "right", "mix"]


class DeviceLost(Exception):
    """The device is gone, or not there yet; the text names its key, the device and the reason."""


class InputPcm(Protocol):
    """Line-in. Only its own thread may call `read` and `close`."""

    def read(self) -> bytes | None:
        """The next samples, mono s16; None when an overrun has lost some. Raises DeviceLost."""

    def close(self) -> None:
        """Stop and let go. Never raises."""


class OutputPcm(Protocol):
    """Line-out. Only its own thread may call `write` and `close`."""

    channels: int  # as many as the device has
    buffer_samples: int

    def write(self, pcm: bytes) -> bool:
        """Hand over s16 interleaved, all channels, blocking until it is taken; False when the card had run dry, and
        then nothing is taken. Raises DeviceLost."""

    def close(self) -> None:
        """Stop and let go. Never raises."""


def one_channel(data: bytes, channels: int, channel: Channel) -> bytes:
    """The chosen channel of interleaved s16; "mix" is the mean of the first two. Mono stays as it is."""
    if channels == 1:
        return data
    samples = np.frombuffer(data, "<i2").reshape(-1, channels)
    if channel == "mix":
        return bytes(samples[:, :2].mean(axis=1).astype("<i2").tobytes())
    return bytes(samples[:, 0 if channel == "left" else 1].tobytes())
