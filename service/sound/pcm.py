"""What a direction of sound is, to the thread that serves it: a card or a file, opened, then read or written.

Both block: the device is the clock. Sound is s16 at 48 kHz; samples are counted per channel.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

PERIOD_SAMPLES = 480
MAX_CHANNELS = 8  # of line-in, to choose from

Channel = Literal["left", "right", "sum"] | int  # a number counts from 1
Raw = NDArray[np.int16]  # a row per sample, a column per channel


class DeviceLost(Exception):
    """The device is gone, or not there yet; the text names its key, the device and the reason."""


@runtime_checkable
class Seizable(Protocol):
    """A device that only one may have open."""

    def seize(self) -> None:
        """Close it for a thread that is held, unless that is in the device itself. From any thread; never raises."""


class InputPcm(Protocol):
    """Line-in. Only its own thread may call `read` and `close`, and look at `raw`."""

    raw: Raw  # what the last `read` heard on every channel of the device

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


def one_channel(raw: Raw, channel: Channel) -> bytes:
    """The chosen channel as s16. "sum" has half the level, so that it cannot clip. Mono is what it is."""
    if raw.shape[1] == 1:
        return raw.tobytes()
    if channel == "sum":
        return bytes(raw[:, :2].mean(axis=1).astype("<i2").tobytes())
    return raw[:, 1 if channel == "right" else least_channels(channel) - 1].tobytes()


def least_channels(channel: Channel) -> int:
    """How many channels a device has to have. A mono one serves as the left, the right and the sum."""
    return channel if isinstance(channel, int) else 1
