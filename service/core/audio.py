"""What travels on the sound road."""

from __future__ import annotations

from dataclasses import dataclass

RATE_HZ = 48_000  # RFC 7587: the RTP clock of Opus, whatever the codec does inside
FRAME_MS = 20
FRAME_S = FRAME_MS / 1000
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
VOICE = 10 ** (-50 / 20)  # whose peaks are louder may be speech (audio-path 7)


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One Opus packet on its way, the shape in which sound crosses every port, both ways.

    `sequence` and `timestamp` count as RTP does (RFC 3550): 16 and 32 bits, wrapping; the timestamp in samples
    at 48 kHz. `payload` is one Opus packet (RFC 6716).
    """

    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Level:
    """How loud one direction is. dB relative to full scale; digital silence is -120.

    The peak is that of the last period, the RMS that of the last 300 ms. `peak_hold_dbfs` stands for 1.5 s and then
    falls; `clip` stays for 2 s. `silent` is True once nothing but silence has been there for long.
    """

    peak_dbfs: float = -120.0
    rms_dbfs: float = -120.0
    peak_hold_dbfs: float = -120.0
    clip: bool = False
    silent: bool = False
