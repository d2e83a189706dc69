"""What a direction of sound is, to the thread that serves it: a card or a file, opened, then read or written.

Both block: the device is the clock. Sound is mono or stereo s16 at 48 kHz.
"""

from __future__ import annotations

from typing import Protocol

PERIOD_SAMPLES = 480


class DeviceLost(Exception):
    """The device is gone, or never was there; the text names it and the reason."""


class InputPcm(Protocol):
    """Line-in. Only its own thread may call `read` and `close`."""

    def read(self) -> bytes | None:
        """The next samples, mono s16; None when an overrun has lost some. Raises DeviceLost."""

    def close(self) -> None:
        """Stop and let go. Never raises."""


class OutputPcm(Protocol):
    """Line-out. Only its own thread may call `write` and `close`."""

    buffer_samples: int

    def write(self, pcm: bytes) -> bool:
        """Hand over mono s16, blocking until it is taken; False when the card had run dry. Raises DeviceLost."""

    def close(self) -> None:
        """Stop and let go. Never raises."""
