import numpy as np
import pytest

from service.core.errors import BadSettings
from service.dsp.gate import Gate
from service.sound import opus
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes.speech import sentences

RATE = 48_000


def voice(seconds: float) -> bytes:
    """Something that the encoder takes for speech: a buzz of 120 Hz in syllables."""
    t = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
    return (6000 * buzz * (0.7 + 0.3 * np.sin(2 * np.pi * 4 * t))).clip(-32768, 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def packets():
    encoder, pcm = OpusEncoder(), voice(2.0)
    return [encoder.encode(pcm[at : at + 1920]) for at in range(0, len(pcm), 1920)]


def samples(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<f4")


def loudness(data: bytes) -> float:
    return float(np.sqrt(np.mean(samples(data) ** 2)))


def test_every_frame_is_one_packet_of_20_ms_at_about_32_kbit_s(packets):
    decoder = OpusDecoder()
    assert all(len(samples(decoder.decode(packet))) == 960 for packet in packets)
    rate = 8 * sum(map(len, packets)) / 2.0
    assert 20_000 < rate < 40_000


def test_speech_is_32_kbit_s_of_mono_hybrid_packets_that_copy_the_one_before():
    """T11, on the sentences of the bundled recording."""
    encoder, gate = OpusEncoder(), Gate()
    pcm = b"".join(sentences())
    frames = [pcm[at : at + 1920] for at in range(0, len(pcm) - 1919, 1920)]
    packets, speech = [encoder.encode(frame) for frame in frames], []
    for frame in frames:
        gate.hear(np.frombuffer(frame, "<i2"))
        speech.append(gate.active)
    assert {packet[0] >> 3 for packet in packets} <= {13, 15}  # hybrid, 20 ms: the only kinds with FEC at this rate
    assert not any(packet[0] & 0b100 for packet in packets)  # stereo
    assert 8 * sum(map(len, packets)) / (0.02 * len(packets)) == pytest.approx(32_000, rel=0.1)
    after_speech = [packet for packet, spoken in zip(packets[1:], speech, strict=False) if spoken]
    copies = [packet for packet in after_speech if packet[1] & 0x40]  # RFC 6716 4.2.3
    assert len(copies) >= 0.75 * len(after_speech) > 300


def test_a_lost_packet_comes_back_from_the_next_one(packets):
    # One in the middle of the voice, whose next carries its copy.
    lost = next(n for n in range(40, 99) if packets[n][1] & 0x80 and packets[n + 1][1] & 0x40)
    whole, lossy, deaf = OpusDecoder(), OpusDecoder(), OpusDecoder()
    for packet in packets[:lost]:
        for decoder in (whole, lossy, deaf):
            decoder.decode(packet)
    original = samples(whole.decode(packets[lost]))
    recovered = samples(lossy.recover(packets[lost + 1], 960))
    made_up = samples(deaf.conceal(960))
    assert len(recovered) == len(made_up) == 960
    assert np.corrcoef(recovered, original)[0, 1] > 0.9
    assert np.square(recovered - original).sum() < 0.5 * np.square(made_up - original).sum()


def test_concealment_fades(packets):
    decoder = OpusDecoder()
    for packet in packets[:50]:
        heard = decoder.decode(packet)
    made_up = [loudness(decoder.conceal(960)) for _ in range(6)]
    assert made_up[0] > 0.3 * loudness(heard)
    assert made_up[-1] < 0.5 * made_up[0]


@pytest.mark.parametrize("payload", [b"", b"\xff\xff\xff", b"\x7b\xff"])
def test_a_corrupt_packet_is_a_value_error_and_the_next_one_is_heard(packets, payload):
    decoder = OpusDecoder()
    with pytest.raises(ValueError, match="opus"):
        decoder.decode(payload)
    assert len(samples(decoder.decode(packets[0]))) == 960


def test_at_half_the_rate_what_is_low_keeps_its_level_and_what_is_too_high_is_left_out():
    levels = {}
    for hz in (1000, 15_000):
        tone = (8000 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)).astype("<i2").tobytes()
        encoder = OpusEncoder()
        packets = [encoder.encode(tone[at : at + 1920]) for at in range(0, len(tone), 1920)]
        for rate in (RATE, RATE // 2):
            decoder = OpusDecoder(rate_hz=rate)
            decoded = [samples(decoder.decode(packet)) for packet in packets]
            assert {len(piece) for piece in decoded} == {rate // 50}
            levels[hz, rate] = 20 * np.log10(np.sqrt(2 * np.mean(np.concatenate(decoded[10:]) ** 2)) * 32768 / 8000)
    assert abs(levels[1000, RATE]) < 1.0 and abs(levels[1000, RATE // 2]) < 1.0
    assert abs(levels[15_000, RATE]) < 3.0 and levels[15_000, RATE // 2] < -40.0  # no alias at 9 kHz


def test_sound_of_half_the_rate_is_encoded_as_well():
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / (RATE // 2))).astype("<i2").tobytes()
    encoder, decoder = OpusEncoder(rate_hz=RATE // 2), OpusDecoder()
    decoded = [samples(decoder.decode(encoder.encode(tone[at : at + 960]))) for at in range(0, len(tone), 960)]
    assert {len(piece) for piece in decoded} == {960}
    heard = np.concatenate(decoded[10:])
    assert abs(20 * np.log10(np.sqrt(2 * np.mean(heard**2)) * 32768 / 8000)) < 1.0
    assert abs(np.argmax(np.abs(np.fft.rfft(heard))) * RATE / len(heard) - 1000) < 5


def test_a_frame_of_another_length_is_a_bug():
    with pytest.raises(AssertionError):
        OpusEncoder().encode(bytes(2 * 480))
    with pytest.raises(AssertionError):
        OpusEncoder(rate_hz=RATE // 2).encode(bytes(2 * 960))


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr(opus, "LIBRARY", "libnosuch.so.0")
    with pytest.raises(BadSettings, match="install the Debian package libopus0"):
        OpusDecoder()
