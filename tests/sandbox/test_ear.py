import numpy as np

from service.core.audio import EncodedFrame
from service.sandbox.ear import Ear
from service.sound.opus import OpusEncoder

TONE = (8000 * np.sin(2 * np.pi * 500 * np.arange(960 * 400) / 48_000)).astype("<i2").tobytes()


class Room:
    """Sends a tone, a packet every 20 ms; the ear is pulled as often, unless it is stalled."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ear = Ear(clock=lambda: self.now_s)
        self._encoder = OpusEncoder()
        self._sent = 0

    def run(self, seconds: float, *, sounding: bool = True, stalled: bool = False) -> list[bool]:
        """Whether there was sound in each of the pulled frames."""
        heard = []
        for _ in range(round(seconds / 0.02)):
            pcm = TONE[self._sent * 1920 : (self._sent + 1) * 1920] if sounding else bytes(1920)
            self.ear.push(EncodedFrame(self._sent & 0xFFFF, self._sent * 960, self._encoder.encode(pcm)))
            self._sent += 1
            self.now_s += 0.02
            if not stalled:
                frame = self.ear.pull()
                assert len(frame) == 1920
                heard.append(np.abs(np.frombuffer(frame, "<i2")).max() > 1000)
        return heard


def test_sound_comes_at_once_and_silence_is_heard_too():
    room = Room()
    assert not any(np.frombuffer(room.ear.pull(), "<i2"))
    assert sum(room.run(1.0)) >= 47
    room.run(0.1, sounding=False)
    assert not any(room.run(0.5, sounding=False))
    assert room.ear.packets == 80


def test_a_stall_does_not_stay_as_delay():
    room = Room()
    room.run(1.0)
    room.run(1.5, stalled=True)
    room.run(0.2)
    assert not any(room.run(0.5, sounding=False)[8:]), "the end is heard within 160 ms"
