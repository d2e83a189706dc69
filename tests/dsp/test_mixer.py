import numpy as np
import pytest

from service.dsp.limiter import Limiter
from service.dsp.mixer import Mixer, Strip, gains, interleaved


def ones(value: float) -> np.ndarray:
    return np.full(480, value, np.float32)


def mixer(channels: int, *, max_dbfs: float = 0.0) -> Mixer:
    made = Mixer(limiters=[Limiter(max_dbfs=max_dbfs) for _ in range(channels)])
    made.begin(1.0, samples=1)
    made.mix([], samples=480)
    return made


def strip(*wanted: float) -> Strip:
    made = Strip(channels=len(wanted))
    made.to(wanted, samples=1)
    made.lay(ones(0.0), np.zeros((len(wanted), 480), np.float32))
    return made


@pytest.mark.parametrize(
    ("channel", "channels", "expected"),
    [
        ("both", 2, [1, 1]),
        ("left", 2, [1, 0]),
        ("right", 2, [0, 1]),
        ("both", 4, [1, 1, 0, 0]),
        ("left", 1, [1]),
        ("right", 1, [1]),
        ("both", 1, [1]),
    ],
)
def test_where_a_channel_is_on_a_card(channel, channels, expected):
    assert gains(channel, 0.0, channels=channels).tolist() == expected
    assert np.allclose(gains(channel, -20.0, channels=channels), np.array(expected) / 10)


def test_each_source_is_on_its_channels_and_nowhere_else():
    block = mixer(2).mix([(strip(1, 0), ones(0.25)), (strip(0, 0.5), ones(0.5)), (strip(0, 0), ones(0.9))], samples=480)
    assert (block[0] == 0.25).all() and (block[1] == 0.25).all()


def test_sources_on_one_channel_are_added():
    made = mixer(1)
    block = made.mix([(strip(1), ones(0.25)), (strip(0.5), ones(0.5))], samples=480)
    assert (block == 0.5).all() and made.peak == 0.5


def test_a_strip_is_silent_until_told_otherwise_and_again_at_the_end_of_its_way():
    one = Strip(channels=2)
    assert one.silent
    for wanted, there in (([1.0, 0.0], False), ([0.0, 0.0], True)):
        one.to(wanted, samples=960)
        for _ in range(2):
            assert not one.silent
            one.lay(ones(1.0), np.zeros((2, 480), np.float32))
        assert one.silent is there


def test_the_ceiling_holds_on_each_channel_alone_and_the_peak_is_that_of_the_sum():
    made = mixer(2, max_dbfs=-6.0)
    block = made.mix([(strip(1, 0), ones(0.8)), (strip(1, 1), ones(0.3))], samples=480)
    assert np.abs(block[0]).max() <= 10 ** (-6 / 20)
    assert (block[1] == np.float32(0.3)).all()
    assert made.peak == pytest.approx(1.1)


def test_the_main_fader_begins_at_silence():
    made = mixer(1)
    made.begin(1.0, samples=480)
    block = made.mix([(strip(1), ones(0.5))], samples=480)
    assert block[0, 0] < 0.001 and block[0, 479] == pytest.approx(0.5)


def test_interleaved_is_what_a_card_takes():
    block = np.array([[0.0, 1.0, 2.0], [-1.0, 0.5, -2.0]], np.float32)
    assert np.frombuffer(interleaved(block), "<i2").tolist() == [0, -32767, 32767, 16383, 32767, -32767]
