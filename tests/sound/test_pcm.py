import numpy as np
import pytest

from service.sound.pcm import one_channel

STEREO = np.array([[1000, -2000], [30_000, 32_000], [-7, -8]], "<i2").tobytes()


@pytest.mark.parametrize(
    ("channel", "samples"),
    [("left", [1000, 30_000, -7]), ("right", [-2000, 32_000, -8]), ("mix", [-500, 31_000, -7])],
)
def test_one_channel_of_a_stereo_card(channel, samples):
    assert np.frombuffer(one_channel(STEREO, 2, channel), "<i2").tolist() == samples


@pytest.mark.parametrize("channel", ["left", "right", "mix"])
def test_mono_has_only_one(channel):
    assert one_channel(b"\x01\x02\x03\x04", 1, channel) == b"\x01\x02\x03\x04"


def test_of_more_than_two_the_first_two_count():
    four = np.array([[10, 20, 999, 999]], "<i2").tobytes()
    assert np.frombuffer(one_channel(four, 4, "mix"), "<i2").tolist() == [15]
