import numpy as np
import pytest

from service.sound.pcm import least_channels, one_channel

STEREO = np.array([[1000, -2000], [30_000, 32_000], [-7, -8]], "<i2")
EIGHT = np.array([[10, 20, 30, 40, 50, 60, 70, 80]], "<i2")


@pytest.mark.parametrize(
    ("channel", "samples"),
    [
        ("left", [1000, 30_000, -7]),
        ("right", [-2000, 32_000, -8]),
        ("sum", [-500, 31_000, -7]),
        (1, [1000, 30_000, -7]),
        (2, [-2000, 32_000, -8]),
    ],
)
def test_one_channel_of_a_stereo_card(channel, samples):
    assert np.frombuffer(one_channel(STEREO, channel), "<i2").tolist() == samples


@pytest.mark.parametrize(("channel", "sample"), [("left", 10), ("right", 20), ("sum", 15), (1, 10), (5, 50), (8, 80)])
def test_one_channel_of_a_card_with_many(channel, sample):
    assert np.frombuffer(one_channel(EIGHT, channel), "<i2").tolist() == [sample]


@pytest.mark.parametrize("channel", ["left", "right", "sum", 1])
def test_mono_has_only_one(channel):
    assert one_channel(STEREO[:, :1], channel) == STEREO[:, 0].tobytes()


@pytest.mark.parametrize(("channel", "least"), [("left", 1), ("right", 1), ("sum", 1), (1, 1), (8, 8)])
def test_how_many_channels_a_choice_needs(channel, least):
    assert least_channels(channel) == least
