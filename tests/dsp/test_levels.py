import numpy as np
import pytest

from service.core.audio import Level
from service.dsp.levels import level


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], Level(-120.0, -120.0)),
        ([0.0] * 480, Level(-120.0, -120.0)),
        ([1.0, -1.0] * 240, Level(0.0, 0.0)),
        ([-0.5] * 480, Level(-6.0, -6.0)),
        ([0.0] * 99 + [-1.0], Level(0.0, -20.0)),
    ],
)
def test_level(samples, expected):
    assert level(np.array(samples, np.float32)) == expected


def test_a_full_scale_sine_has_an_rms_3_db_below_its_peak():
    sine = np.sin(2 * np.pi * 1000 * np.arange(480) / 48000).astype(np.float32)
    assert level(sine) == Level(0.0, -3.0)
