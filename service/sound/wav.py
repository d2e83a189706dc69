"""Files in the place of cards, paced by the clock."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from service.core.audio import RATE_HZ
from service.core.errors import FaultCode, SoundCardMissing
from service.sound.alsa import Channel
from service.sound.pcm import PERIOD_SAMPLES

PERIOD_S = PERIOD_SAMPLES / RATE_HZ
PERIOD_BYTES = PERIOD_SAMPLES * 2
HEADER_EVERY_S = 1.0
STALL_S = 1.0


class _Pace:
    """Sleeps so that periods pass by the clock; a stall of the machine is skipped, not made up for."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._next_s = clock()

    def wait(self, duration_s: float) -> None:
        self._next_s += duration_s
        now_s = self._clock()
        if self._next_s > now_s:
            self._sleep(self._next_s - now_s)
        elif now_s - self._next_s > STALL_S:
            self._next_s = now_s


class WavInput:
    """A recording as line-in; promises `InputPcm`. Silence until `go` is set, then the file, then silence for ever.

    Anything that PyAV reads will do, at any rate, mono or stereo. Raises SoundCardMissing naming the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        channel: Channel,
        go: threading.Event,
        finished: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pcm = _decoded(path, channel)
        self._go, self._finished = go, finished
        self._at = 0
        self._pace = _Pace(clock, sleep)

    def read(self) -> bytes:
        """One period."""
        self._pace.wait(PERIOD_S)
        if not self._go.is_set():
            return bytes(PERIOD_BYTES)
        piece = self._pcm[self._at : self._at + PERIOD_BYTES]
        self._at += PERIOD_BYTES
        if self._at >= len(self._pcm):
            self._finished.set()
        return piece.ljust(PERIOD_BYTES, b"\0")

    def close(self) -> None:
        """Nothing is held."""


class WavOutput:
    """Line-out into a mono 48 kHz s16 WAV file; promises `OutputPcm`.

    The header is brought up to date every second, so that the file can be read after any kind of end.
    """

    buffer_samples = PERIOD_SAMPLES

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as problem:
            raise SoundCardMissing(
                f"audio.output.device: {path} cannot be written ({problem.strerror})", code=FaultCode.SOUND_OUT
            ) from None
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - lives as long as the line-out
        self._wave.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
        self._pace = _Pace(clock, sleep)
        self._unsaved_s = 0.0

    def write(self, pcm: bytes) -> bool:
        """Takes the time that the sound lasts."""
        duration_s = len(pcm) / 2 / RATE_HZ
        self._unsaved_s += duration_s
        if self._unsaved_s >= HEADER_EVERY_S:
            self._wave.writeframes(pcm)  # brings the header up to date
            self._file.flush()
            self._unsaved_s = 0.0
        else:
            self._wave.writeframesraw(pcm)
        self._pace.wait(duration_s)
        return True

    def close(self) -> None:
        """Bring the header up to date and close."""
        self._wave.close()
        self._file.close()


def _decoded(path: Path, channel: Channel) -> bytes:
    """The whole file as mono s16 at 48 kHz."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise SoundCardMissing(f"audio.input.device: {path} holds no sound")
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE_HZ)
            mono = container.streams.audio[0].codec_context.channels == 1
            pieces = [_piece(frame) for frame in _frames(container, resampler)]
    except (av.FFmpegError, OSError) as problem:
        reason = problem.strerror or type(problem).__name__
        raise SoundCardMissing(f"audio.input.device: {path} cannot be read as sound ({reason})") from None
    stereo = np.concatenate(pieces) if pieces else np.zeros((0, 2), np.int16)
    if mono or channel == "left":
        return stereo[:, 0].tobytes()
    if channel == "right":
        return stereo[:, 1].tobytes()
    return bytes(stereo.mean(axis=1).astype("<i2").tobytes())


def _frames(container: av.container.InputContainer, resampler: av.AudioResampler) -> Iterator[av.AudioFrame]:
    for frame in container.decode(audio=0):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _piece(frame: av.AudioFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return frame.to_ndarray().reshape(-1, 2)[: frame.samples].astype(np.int16)
