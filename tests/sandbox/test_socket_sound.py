import base64

import numpy as np
import pytest

from service.sandbox.orders import Sound, Spoken
from service.sandbox.socket_sound import CHUNK_BYTES, SocketEar, SocketVoice


def tone(rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * 500 * np.arange(round(rate_hz * seconds)) / rate_hz)).astype("<i2")


def sound(samples: np.ndarray, rate_hz: int, channels: int = 1) -> Sound:
    return Sound(base64.b64encode(samples.tobytes()).decode(), rate_hz, channels)


def pitch_hz(pcm: bytes, rate_hz: int) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate_hz / len(samples))


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_documented_format_comes_to_the_ear(rate_hz, channels):
    ear = SocketEar()
    whole = np.repeat(tone(rate_hz), channels)
    for at in range(0, len(whole), 7680 * channels):
        ear.push(sound(whole[at : at + 7680 * channels], rate_hz, channels))
    pcm = ear.rest()
    assert abs(len(pcm) / 96_000 - 1.0) < 0.01 and abs(pitch_hz(pcm, 48_000) - 500) < 2
    assert 7000 < np.abs(np.frombuffer(pcm, "<i2")).max() < 9000


def test_two_channels_are_heard_as_one():
    ear = SocketEar()
    ear.push(sound(np.stack([tone(48_000), np.zeros(48_000, "<i2")], axis=1), 48_000, 2))
    assert 3900 < np.abs(np.frombuffer(ear.rest(), "<i2")).max() < 4100


def test_a_message_is_heard_in_small_pieces_and_silence_only_where_it_was_sent():
    ear = SocketEar()
    assert ear.pull() == b""
    ear.push(sound(np.zeros(15_360, "<i2"), 48_000))  # 320 ms
    assert [len(ear.pull()) for _ in range(9)] == [3840] * 8 + [0]
    assert ear.packets == 1


def test_the_format_may_change_on_the_way():
    ear = SocketEar()
    ear.push(sound(tone(48_000), 48_000))
    ear.rest()
    ear.push(sound(np.repeat(tone(16_000), 2), 16_000, 2))
    assert abs(pitch_hz(ear.rest(), 48_000) - 500) < 2


class Socket(list):
    def pcm(self) -> bytes:
        return b"".join(base64.b64decode(each.audio) for each in self)


def test_speech_goes_out_in_chunks_whose_last_is_marked():
    sent = Socket()
    voice = SocketVoice("es", sent.append)
    voice.tick()
    assert sent == []
    voice.say(tone(48_000, 0.5).tobytes(), "7")
    voice.say(tone(48_000, 0.3).tobytes(), "8")
    assert voice.queue_level_ms == 1000, "of whole chunks"
    for _ in range(10):
        voice.tick()
    assert [(each.id, each.language, each.last) for each in sent] == [
        ("7", "es", False),
        ("7", "es", False),
        ("7", "es", True),
        ("8", "es", False),
        ("8", "es", True),
    ]
    assert len(base64.b64decode(sent[0].audio)) == CHUNK_BYTES
    assert abs(len(sent.pcm()) / 48_000 - 0.8) < 0.01 and abs(pitch_hz(sent.pcm(), 24_000) - 500) < 2
    assert voice.queue_level_ms == 0


def test_what_waits_can_be_dropped_and_above_the_level_the_oldest_is():
    sent: list[Spoken] = []
    voice = SocketVoice("es", sent.append)
    voice.say(tone(48_000).tobytes(), "7")
    voice.drop()
    voice.tick()
    assert sent == [] and voice.queue_level_ms == 0
    voice.max_level_ms = 500
    voice.say(tone(48_000).tobytes(), "7")
    voice.say(tone(48_000, 0.2).tobytes(), "8")
    assert voice.queue_level_ms == 400
    for _ in range(5):
        voice.tick()
    assert [each.id for each in sent] == ["7", "8"]
