import numpy as np
import pytest

from service.core.audio import Level
from service.dsp.meter import ChannelMeters, FullScale, Meter

PERIOD_S = 0.01
LOUD = np.full(480, 0.5, np.float32)
QUIET = np.full(480, 0.0005, np.float32)  # -66 dBFS


class Desk:
    """A meter and the time."""

    def __init__(self, **constants: float) -> None:
        self.meter = Meter(**constants)
        self.now_s = 1000.0

    def hear(self, block: np.ndarray, seconds: float = PERIOD_S, *, clipped: bool = False) -> Level:
        for _ in range(round(seconds / PERIOD_S)):
            self.meter.hear(self.now_s, block, clipped=clipped)
            self.now_s += PERIOD_S
        return self.meter.level


@pytest.mark.parametrize(
    ("samples", "peak_dbfs", "rms_dbfs"),
    [
        ([0.0] * 480, -120.0, -120.0),
        ([1.0, -1.0] * 240, 0.0, 0.0),
        ([-0.5] * 480, -6.0, -6.0),
        ([0.0] * 99 + [-1.0], 0.0, -20.0),
        (np.sin(2 * np.pi * np.arange(480) / 48), 0.0, -3.0),
    ],
)
def test_peak_and_rms(samples, peak_dbfs, rms_dbfs):
    level = Desk().hear(np.array(samples, np.float32))
    assert (level.peak_dbfs, level.rms_dbfs, level.peak_hold_dbfs) == (peak_dbfs, rms_dbfs, peak_dbfs)


def test_an_empty_block_says_nothing():
    desk = Desk()
    desk.hear(LOUD)
    assert desk.hear(LOUD[:0]) == desk.hear(LOUD)


def test_the_peak_is_that_of_the_last_block_and_the_rms_that_of_300_ms():
    desk = Desk()
    desk.hear(LOUD, 0.3)
    level = desk.hear(LOUD * 0, 0.15)
    assert level.peak_dbfs == -120.0
    assert level.rms_dbfs == pytest.approx(-9.0, abs=0.05)  # half of the window
    assert desk.hear(LOUD * 0, 0.14).rms_dbfs > -21
    assert desk.hear(LOUD * 0).rms_dbfs == -120.0


def test_a_peak_is_held_for_a_second_and_a_half_and_falls_20_db_a_second():
    desk = Desk()
    desk.hear(LOUD)
    assert desk.hear(QUIET, 1.5).peak_hold_dbfs == -6.0
    assert desk.hear(QUIET, 1.0).peak_hold_dbfs == pytest.approx(-26.0, abs=0.2)
    assert desk.hear(LOUD / 10).peak_hold_dbfs == pytest.approx(-26.0, abs=0.3)  # louder than what is left
    assert desk.hear(QUIET, 1.4).peak_hold_dbfs == pytest.approx(-26.0, abs=0.3)
    assert desk.hear(QUIET, 9.0).peak_hold_dbfs == -66.0


def test_a_clip_stays_lit_for_two_seconds():
    desk = Desk()
    assert not desk.hear(LOUD).clip
    assert desk.hear(LOUD, clipped=True).clip
    assert desk.hear(LOUD, 1.98).clip
    assert not desk.hear(LOUD, 0.03).clip


def test_silence_is_what_lasts_and_ends_with_the_first_sound():
    desk = Desk(silence_dbfs=-50.0, silent_after_s=30.0)
    desk.hear(LOUD)
    assert not desk.hear(QUIET, 30.0).silent  # for 300 ms the sound before is still in the RMS
    assert desk.hear(QUIET, 0.4).silent
    assert not desk.hear(LOUD).silent
    assert not desk.hear(QUIET * 10, 60.0).silent  # -46 dBFS


def test_silence_from_the_start_counts_from_the_start():
    desk = Desk()
    assert not desk.hear(QUIET, 9.9).silent
    assert desk.hear(QUIET, 0.2).silent


def test_a_meter_of_a_lost_device_shows_silence_and_begins_anew():
    desk = Desk()
    desk.hear(LOUD, 1.0, clipped=True)
    desk.meter.reset()
    assert desk.meter.level == Level()
    assert desk.hear(QUIET) == Level(-66.0, -66.0, -66.0)


@pytest.mark.parametrize(
    ("blocks", "clipped"),
    [
        ([[0, 32_767, 32_767, 0]], [False]),
        ([[0, 32_760, 32_767, 32_765, 0]], [True]),
        ([[-32_768, -32_768, -32_760]], [True]),
        ([[32_759] * 9], [False]),
        ([[32_767], [32_767], [32_767], [32_767], [0, 32_767]], [False, False, True, True, False]),
        ([[0, 32_767, 32_767], [32_767, 0], [32_767]], [False, True, False]),
        ([[0, 32_767, 32_767], [0], [32_767]], [False, False, False]),
        ([[32_767, 32_767], [], [32_767]], [False, False, True]),
    ],
)
def test_three_samples_in_a_row_at_full_scale_are_a_clip(blocks, clipped):
    full_scale = FullScale()
    assert [full_scale.hear(np.array(block, np.int16)) for block in blocks] == clipped


def test_each_channel_of_a_card_has_a_meter_of_its_own():
    meters = ChannelMeters()
    assert meters.levels == ()
    raw = np.stack([np.full(480, 32767), np.full(480, 3277), np.zeros(480)], axis=1).astype("<i2")
    meters.hear(1000.0, raw)
    assert [(level.peak_dbfs, level.clip) for level in meters.levels] == [(0.0, True), (-20.0, False), (-120.0, False)]
    meters.hear(1000.01, raw[:, :2])  # another card
    assert len(meters.levels) == 2
    meters.reset()
    assert meters.levels == ()
