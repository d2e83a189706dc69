"""Sound over the management socket as the interpreter has it: an ear and a voice in place of the room's tracks."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable

import numpy as np

from service.core.audio import FRAME_SAMPLES, RATE_HZ
from service.sandbox.orders import SOCKET_RATE_HZ, Sound, Spoken
from service.sandbox.resample import Resampler, resample
from service.sandbox.voice_track import MAX_LEVEL_MS

CHUNK_MS = 200  # as the service was seen to send (palabra-api 3.4)
CHUNK_BYTES = SOCKET_RATE_HZ * CHUNK_MS // 1000 * 2
PULL_BYTES = 4 * FRAME_SAMPLES  # two frames: what came late is heard twice as fast as it was spoken


class SocketEar:
    """What the socket brings, in pieces that do not hold up the voices of others. Silence is heard only if sent:
    where nothing comes, a sentence stays open (palabra-api 2.4)."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._format = (0, 0)
        self._resampler = Resampler(from_hz=RATE_HZ, to_hz=RATE_HZ)
        self.packets = 0

    def push(self, sound: Sound) -> None:
        """One message's sound."""
        self.packets += 1
        if self._format != (sound.rate_hz, sound.channels):
            self._format = (sound.rate_hz, sound.channels)
            self._resampler = Resampler(from_hz=sound.rate_hz, to_hz=RATE_HZ)
        samples = np.frombuffer(base64.b64decode(sound.audio), "<i2").reshape(-1, sound.channels)
        self._pcm += self._resampler.feed(samples.mean(axis=1).astype("<i2").tobytes())

    def pull(self) -> bytes:
        """What is to be heard in the next 20 ms, mono 48 kHz s16; nothing when nothing came."""
        return self._take(PULL_BYTES)

    def rest(self) -> bytes:
        """All that has not been heard yet."""
        return self._take(len(self._pcm))

    def _take(self, size: int) -> bytes:
        pcm = bytes(self._pcm[:size])
        del self._pcm[:size]
        return pcm


class SocketVoice:
    """What waits to be spoken in one language. It goes out ten times as fast as it is spoken: the listener plays it
    at leisure, and what is not on its way yet can still be dropped."""

    def __init__(self, language: str, send: Callable[[Spoken], None]) -> None:
        self._language, self._send = language, send
        self._chunks: deque[tuple[str, bytes, bool]] = deque()  # whose, its sound, whether its last
        self.max_level_ms = MAX_LEVEL_MS

    @property
    def queue_level_ms(self) -> int:
        """What waits to be spoken."""
        return len(self._chunks) * CHUNK_MS

    def say(self, pcm: bytes, identity: str) -> None:
        """Speak this after what is waiting: mono 48 kHz s16, of the translation of this id. Above `max_level_ms` the
        oldest is dropped, as the service does (palabra-api 4.5)."""
        sound = resample(pcm, from_hz=RATE_HZ, to_hz=SOCKET_RATE_HZ)
        for at in range(0, len(sound), CHUNK_BYTES):
            self._chunks.append((identity, sound[at : at + CHUNK_BYTES], at + CHUNK_BYTES >= len(sound)))
        while self.queue_level_ms > self.max_level_ms:
            self._chunks.popleft()

    def drop(self) -> None:
        """Forget what is waiting."""
        self._chunks.clear()

    def tick(self) -> None:
        """Send what goes out within 20 ms."""
        if self._chunks:
            identity, sound, last = self._chunks.popleft()
            self._send(Spoken(identity, self._language, base64.b64encode(sound).decode(), last))
