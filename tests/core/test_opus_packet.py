from fractions import Fraction

import av
import numpy as np
import pytest

from service.core.opus_packet import spares_the_one_before


def encoded(samples, *, frame_ms=20, **options):
    """The packets of mono sound at 48 kHz."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.time_base = 48_000, "mono", "s16", Fraction(1, 48_000)
    codec.bit_rate = int(options.pop("bit_rate", 32_000))
    codec.options = {"application": "voip", "frame_duration": str(frame_ms), "fec": "1", "packet_loss": "10", **options}
    packets = []
    for number, piece in enumerate(samples.reshape(-1, 1, 48 * frame_ms)):
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, number * 48 * frame_ms
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


@pytest.fixture(scope="module")
def voice():
    """A buzz of 120 Hz in syllables, 2.4 s."""
    t = np.arange(115_200) / 48_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
    return (6000 * buzz * (0.7 + 0.3 * np.sin(2 * np.pi * 4 * t))).clip(-32768, 32767).astype("<i2")


def share(packets):
    return sum(map(spares_the_one_before, packets[10:])) / len(packets[10:])


@pytest.mark.parametrize("frame_ms", [10, 20, 40])
def test_packets_of_voice_with_a_copy(voice, frame_ms):
    assert share(encoded(voice, frame_ms=frame_ms)) > 0.7


@pytest.mark.parametrize("options", [{"packet_loss": "0"}, {"fec": "0"}, {"application": "lowdelay"}])
def test_packets_of_voice_without_one(voice, options):
    assert share(encoded(voice, **options)) < 0.2


def test_before_silence_nothing_is_missed():
    assert share(encoded(np.zeros(115_200, "<i2"), fec="0")) == 1.0
    assert spares_the_one_before(b"\xf8")
    assert spares_the_one_before(b"")


@pytest.mark.parametrize("packet", [b"\x7b\xff\xff", b"\xff\xff\xff", b"\x00\x00\x00"])
def test_whatever_is_in_it_there_is_an_answer(packet):
    assert spares_the_one_before(packet) in (True, False)
