"""Two cards in virtual time: one puts 10 ms when its clock says so, the other pulls 10 ms when its own does."""

import numpy as np
import pytest

from service.core.audio import RATE_HZ
from service.dsp.bridge import Bridge
from service.sound.resampler import SoxrResampler

PERIOD = 480


def tone(start, samples, hz=440.0):
    return (0.25 * np.sin(2 * np.pi * hz * (start + np.arange(samples)) / RATE_HZ)).astype(np.float32)


class Cards:
    """Line-in is `ppm` faster than line-out; its periods come up to `late_s` late and then all at once."""

    def __init__(self, *, ppm=0.0, burst=1, delay_s=0.0):
        self.bridge = Bridge(resampler=SoxrResampler(), delay_s=delay_s)
        self.ppm, self.burst = ppm, burst
        self.given = self.asked = 0

    def run(self, seconds, *, plugged=True, pull=True):
        """What is heard, and what is held after each pull."""
        heard, held = [], []
        for _ in range(round(seconds * RATE_HZ / PERIOD)):
            self.asked += PERIOD
            while plugged and self.given + self.burst * PERIOD <= self.asked * (1 + self.ppm * 1e-6):
                for _ in range(self.burst):
                    self.bridge.put(tone(self.given, PERIOD))
                    self.given += PERIOD
            if pull:
                heard.append(self.bridge.pull(PERIOD))
                held.append(self.bridge.held_s)
        return np.concatenate(heard) if heard else None, np.array(held)


def bends(samples):
    """The largest second difference, relative to that of the tone itself."""
    return float(np.abs(np.diff(samples, 2)).max() / np.abs(np.diff(tone(0, RATE_HZ), 2)).max())


def test_it_comes_out_whole_and_soon():
    heard, held = Cards().run(2)
    assert np.count_nonzero(np.abs(heard[:9600]) > 0.1) > 5000  # within 0.1 s
    assert held[-1] < 0.040
    middle = heard[RATE_HZ:]
    assert np.abs(middle).max() == pytest.approx(0.25, rel=0.01)
    assert bends(middle) < 1.02


@pytest.mark.parametrize("ppm", [300.0, -300.0])
def test_two_clocks_do_not_run_apart(ppm):
    cards = Cards(ppm=ppm)
    cards.run(240)
    heard, held = cards.run(120)
    assert cards.bridge.gaps == 0 and bends(heard) < 1.02
    assert np.ptp(held) < 0.013  # a period each way
    assert cards.bridge.rate == pytest.approx(ppm * 1e-6, abs=60e-6)


def test_a_card_that_hands_over_in_bursts_makes_no_gap():
    cards = Cards(burst=2)
    cards.run(1)
    heard, _ = cards.run(20)
    assert cards.bridge.gaps == 0 and bends(heard) < 1.02


def test_a_lost_line_in_fades_out_and_its_return_in():
    cards = Cards()
    heard = [cards.run(1)[0], cards.run(1, plugged=False)[0]]
    cards.given = cards.asked
    heard.append(cards.run(1)[0])
    whole = np.concatenate(heard)
    assert not whole[RATE_HZ + 9600 : 2 * RATE_HZ].any()
    assert np.abs(whole[-4800:]).max() > 0.2
    assert np.abs(np.diff(whole)).max() < 1.5 * np.abs(np.diff(tone(0, RATE_HZ))).max()
    assert cards.bridge.gaps == 1


def test_what_nobody_pulls_is_not_heard_later():
    cards = Cards()
    cards.run(60, pull=False)
    _, held = cards.run(1)
    assert held.max() < 0.3
    assert cards.run(240)[1][-1] < 0.25


def test_a_delay_is_kept():
    cards = Cards(delay_s=2.0)
    heard, held = cards.run(5)
    assert not heard[: 2 * RATE_HZ].any() and np.abs(heard[3 * RATE_HZ :]).max() > 0.2
    assert held[-1] == pytest.approx(2.03, abs=0.02)
