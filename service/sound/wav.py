"""Files in the place of cards, paced by the clock."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import wave
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np

from service.core.audio import RATE_HZ
from service.core.errors import FaultCode, SoundCardMissing
from service.sound.pcm import PERIOD_SAMPLES, Channel, DeviceLost, Raw, least_channels, one_channel

log = logging.getLogger(__name__)

PERIOD_S = PERIOD_SAMPLES / RATE_HZ
HEADER_EVERY_S = 1.0
MAX_BYTES = 1 << 32  # what the header can say; a good twelve hours
# How much a card would hold. What line-in brings later than this would be thrown away as too old at the far end;
# what line-out asks for later has arrived meanwhile.
INPUT_STALL_S, OUTPUT_STALL_S = 0.25, 1.0
MAX_SILENCE_S = 60.0


class _Pace:
    """Lets periods pass by the clock, as a card does; after a stall of the machine it hurries or skips."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], object], *, stall_s: float) -> None:
        self._clock, self._sleep, self._stall_s = clock, sleep, stall_s
        self._next_s = clock()

    def wait(self, duration_s: float) -> float:
        """Until this much more has passed; gives the time that was lost, if that is more than a card would hold."""
        self._next_s += duration_s
        ahead_s = self._next_s - self._clock()
        if ahead_s > 0:
            self._sleep(ahead_s)
        elif -ahead_s > self._stall_s:
            self._next_s -= ahead_s
            return -ahead_s
        return 0.0


class WavInput:
    """A recording as line-in; promises `InputPcm`. Silence until `go` is set, then the file, then silence for ever.

    Anything that PyAV reads will do, of any rate and length; it is decoded as it is played. Raises SoundCardMissing.
    """

    def __init__(
        self,
        path: Path,
        *,
        channel: Channel,
        go: threading.Event,
        finished: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._channel = channel
        self._pieces = _decoded(path, channel)
        self._left = next(self._pieces)
        self.raw = self._left[:0]
        self._go, self._finished = go, finished
        self._pace = _Pace(clock, sleep, stall_s=INPUT_STALL_S)

    def read(self) -> bytes | None:
        """One period; None after a stall, which loses time but nothing of the recording."""
        if self._pace.wait(PERIOD_S):
            self.raw = self.raw[:0]
            return None
        self.raw = np.zeros((PERIOD_SAMPLES, self._left.shape[1]), "<i2")
        if self._go.is_set():
            self._fill(self.raw)
        return one_channel(self.raw, self._channel)

    def close(self) -> None:
        """Close the file."""
        self._pieces.close()

    def _fill(self, period: Raw) -> None:
        while len(self._left) < PERIOD_SAMPLES and (piece := next(self._pieces, None)) is not None:
            self._left = np.concatenate([self._left, piece])
        sound, self._left = self._left[:PERIOD_SAMPLES], self._left[PERIOD_SAMPLES:]
        period[: len(sound)] = sound
        if len(sound) < PERIOD_SAMPLES:
            self._finished.set()


class WavOutput:
    """Line-out into a 48 kHz s16 WAV file, which begins anew at each opening; promises `OutputPcm`.

    The header is brought up to date every second, so that the file can be read after any kind of end.
    """

    buffer_samples = PERIOD_SAMPLES

    def __init__(
        self,
        path: Path,
        *,
        channels: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.channels = channels
        self._name = f"audio.output.device: {path}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
            self._wave = wave.open(self._file, "wb")
            self._wave.setparams((channels, 2, RATE_HZ, 0, "NONE", "not compressed"))
            self._save(b"")
        except OSError as problem:
            raise SoundCardMissing(
                f"{self._name} cannot be written ({problem.strerror})", code=FaultCode.SOUND_OUT
            ) from None
        self._pace = _Pace(clock, sleep, stall_s=OUTPUT_STALL_S)

    def write(self, pcm: bytes) -> bool:
        """Takes the time that the sound lasts. A stall is silence in the file, whose time is that of the clock."""
        sample_bytes = 2 * self.channels
        lost_s = self._pace.wait(len(pcm) / sample_bytes / RATE_HZ)
        if lost_s:
            pcm = bytes(sample_bytes * round(min(lost_s, MAX_SILENCE_S) * RATE_HZ))
        self._unsaved_s += len(pcm) / sample_bytes / RATE_HZ
        try:
            self._append(pcm)
        except OSError as problem:
            raise DeviceLost(f"{self._name} cannot be written ({problem.strerror})") from None
        return not lost_s

    def close(self) -> None:
        """Bring the header up to date and close."""
        with contextlib.suppress(OSError):
            self._wave.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _append(self, pcm: bytes) -> None:
        if 2 * self.channels * self._wave.tell() + len(pcm) > MAX_BYTES - 44:
            raise DeviceLost(f"{self._name} is as long as a WAV file can be; it begins anew")
        if self._unsaved_s < HEADER_EVERY_S:
            self._wave.writeframesraw(pcm)
        else:
            self._save(pcm)

    def _save(self, pcm: bytes) -> None:
        self._wave.writeframes(pcm)  # brings the header up to date
        self._file.flush()
        self._unsaved_s = 0.0


def _decoded(path: Path, channel: Channel) -> Generator[Raw, None, None]:
    """The file at 48 kHz, piece by piece. Raises SoundCardMissing before the first one."""
    name = f"audio.input.device: {path}"
    heard = False
    try:
        with path.open("rb") as file, av.open(file, mode="r") as container:
            for piece in _resampled(container, keep_all=isinstance(channel, int)):
                if piece.shape[1] < least_channels(channel):
                    raise ValueError(f"its channels: {piece.shape[1]}, wanted: channel {channel}")
                heard = True
                yield piece
    except (av.FFmpegError, OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        if not heard:
            raise SoundCardMissing(f"{name} cannot be read as sound ({reason})") from None
        log.warning("%s cannot be read to its end (%s): silence from here on", name, reason)
    if not heard:
        raise SoundCardMissing(f"{name} holds no sound")


def _resampled(container: av.container.InputContainer, *, keep_all: bool) -> Iterator[Raw]:
    if not container.streams.audio:
        return
    # A mono file stays mono: made stereo it would lose 3 dB.
    own = container.streams.audio[0].codec_context
    layout = own.layout if keep_all or own.channels == 1 else "stereo"
    resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE_HZ)
    for frame in chain(container.decode(audio=0), (None,)):
        for part in resampler.resample(frame):
            yield np.frombuffer(part.to_ndarray(), "<i2").reshape(-1, part.layout.nb_channels)
