import numpy as np

from service.sandbox.resample import Resampler, resample


def tone(hz: float, seconds: float, rate_hz: int) -> np.ndarray:
    moments = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hz * moments) * 10_000


def pcm(samples: np.ndarray) -> bytes:
    return samples.round().astype("<i2").tobytes()


def test_a_tone_keeps_its_pitch_place_and_loudness_at_every_rate():
    for from_hz, to_hz in ((48_000, 16_000), (22_050, 48_000), (44_100, 48_000), (16_000, 48_000)):
        got = np.frombuffer(resample(pcm(tone(440, 1.0, from_hz)), from_hz=from_hz, to_hz=to_hz), "<i2")
        assert abs(len(got) - to_hz) <= 2
        middle = slice(to_hz // 10, -to_hz // 10)
        wrong = got[middle] - tone(440, 1.0, to_hz)[: len(got)][middle]
        assert np.abs(wrong).max() < 150, (from_hz, to_hz)


def test_what_the_lower_rate_cannot_hold_is_filtered_out():
    got = np.frombuffer(resample(pcm(tone(12_000, 0.5, 48_000)), from_hz=48_000, to_hz=16_000), "<i2")
    assert np.abs(got[800:-800]).max() < 100


def test_pieces_of_any_length_give_what_the_whole_gives():
    whole = pcm(tone(440, 0.5, 48_000))
    resampler = Resampler(from_hz=48_000, to_hz=16_000)
    got, at = b"", 0
    for length in (2, 30, 0, 1920, 7, 5000, 48_000):
        got += resampler.feed(whole[2 * at : 2 * (at + length)])
        at += length
    assert got + resampler.flush() == resample(whole, from_hz=48_000, to_hz=16_000)


def test_a_stream_is_held_back_by_a_millisecond_at_most():
    resampler = Resampler(from_hz=48_000, to_hz=16_000)
    assert len(resampler.feed(bytes(2 * 48_000))) >= 2 * (16_000 - 32)


def test_nothing_stays_nothing():
    assert resample(b"", from_hz=22_050, to_hz=48_000) == b""
