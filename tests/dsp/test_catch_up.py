"""Frames whose samples are their number: which went out, and when, is one comparison."""

import numpy as np
import pytest

from service.dsp.catch_up import CatchUp
from service.dsp.gate import Gate
from tests.dsp.test_gate import noise
from tests.fakes.speech import sentences

SECOND = 50  # frames


class Desk:
    """Each frame is loud or quiet, and known by its last sample: the first ones may be faded."""

    def __init__(self, *, pre_roll_s: float = 2.5) -> None:
        self.catch_up = CatchUp(pre_roll_s=pre_roll_s)
        self.count = 0
        self.sent: list[int] = []  # the number of each frame that went out; 0 is silence

    def hear(self, frames: int, *, loud: bool) -> list[int]:
        """What went out while so many frames came in."""
        for _ in range(frames):
            self.count += 1
            frame = np.full(960, 8000 if loud else 20, np.int16)
            frame[-1] = self.count
            out = self.catch_up.next(frame)
            assert len(out) == 960
            self.sent.append(int(out[-1]))
        return self.sent[-frames:]

    def talk(self, frames: int) -> list[int]:
        return self.hear(frames, loud=True)

    def rest(self, frames: int) -> list[int]:
        return self.hear(frames, loud=False)


def in_order(sent: list[int]) -> bool:
    heard = [number for number in sent if number]
    return heard == sorted(set(heard))


def test_what_comes_goes_out_at_once():
    desk = Desk()
    assert desk.talk(100) + desk.rest(100) == list(range(1, 201))
    assert desk.catch_up.backlog_s == 0.0


def test_paused_silence_goes_out_and_what_nobody_asks_for_is_never_heard():
    desk = Desk()
    desk.rest(10)
    desk.catch_up.hold()
    assert desk.talk(200) == [0] * 200
    assert desk.rest(3 * SECOND) == [0] * 3 * SECOND
    desk.catch_up.go()
    sent = desk.rest(SECOND)
    assert min(sent) > 210 + 3 * SECOND - 10 and in_order(sent)


def test_from_the_first_word_on_all_is_sent_one_frame_for_each_that_comes():
    desk = Desk()
    desk.rest(100)
    desk.catch_up.hold()
    desk.rest(4 * SECOND)
    desk.talk(5)  # the word begins before the button is pressed
    desk.catch_up.keep()
    desk.talk(2 * SECOND)
    first = 100 + 4 * SECOND + 1
    desk.catch_up.go()
    sent = desk.talk(SECOND)
    assert sent[0] == first - 8  # the gate opens with the third loud frame, and 200 ms before it are sent
    assert sent == list(range(sent[0], sent[0] + SECOND))
    assert desk.catch_up.backlog_s == pytest.approx(2.26)


def test_after_a_second_pause_the_beginning_of_the_first_word_is_there_as_well():
    desk = Desk()
    for _ in range(2):
        desk.catch_up.hold()
        desk.rest(SECOND)
        desk.catch_up.keep()
        desk.talk(25)
        desk.catch_up.go()
        first = desk.count - 25 + 1
        assert desk.talk(SECOND) == list(range(first - 8, first - 8 + SECOND))
        desk.rest(5 * SECOND)
        assert desk.catch_up.backlog_s == 0.0


def test_before_the_wish_no_more_is_kept_than_the_pre_roll():
    desk = Desk(pre_roll_s=1.0)
    desk.catch_up.hold()
    desk.talk(10 * SECOND)
    desk.catch_up.keep()
    desk.talk(2 * SECOND)
    desk.catch_up.go()
    assert desk.talk(1) == [9 * SECOND + 1]


def test_without_a_pre_roll_nothing_is_kept():
    desk = Desk(pre_roll_s=0.0)
    desk.catch_up.hold()
    desk.talk(100)
    desk.catch_up.keep()
    desk.talk(100)
    desk.catch_up.go()
    assert desk.talk(2) == [201, 202]


def test_a_backlog_is_caught_up_in_pauses_of_which_160_ms_stay():
    desk = Desk()
    desk.catch_up.hold()
    desk.rest(SECOND)
    desk.catch_up.keep()
    desk.talk(100)
    desk.catch_up.go()
    for _ in range(20):
        desk.talk(75)
        desk.rest(25)
    sent = [number for number in desk.sent if number]
    assert in_order(sent)
    assert desk.catch_up.backlog_s == 0.0
    left_out = sorted(set(range(sent[0], desk.count + 1)) - set(sent))
    first_pause = SECOND + 100 + 75
    assert left_out[:17] == list(range(first_pause + 6, first_pause + 23))
    assert len(left_out) == 108  # 100 of speech, 8 before it for its beginning, and no frame more


def test_a_pause_taken_back_before_it_came_about_loses_nothing_that_was_said_after_the_tap():
    desk = Desk()
    desk.talk(100)
    desk.catch_up.hold()
    desk.talk(1)
    desk.catch_up.keep()
    desk.talk(49)
    desk.catch_up.go()
    assert desk.talk(50) == list(range(102, 152))


def test_paused_again_or_ended_what_was_kept_is_forgotten():
    desk = Desk()
    desk.catch_up.hold()
    desk.catch_up.keep()
    desk.talk(100)
    desk.catch_up.go()
    desk.talk(10)
    desk.catch_up.hold()
    assert desk.talk(100) == [0] * 100
    desk.catch_up.clear()
    assert desk.talk(10) == list(range(211, 221))
    desk.catch_up.keep()  # nothing is held: there is no pause to come back from
    assert desk.talk(10) == list(range(221, 231))


def test_far_behind_pauses_are_cut_to_40_ms_and_only_without_any_the_oldest_speech_goes():
    desk = Desk()
    desk.catch_up.hold()
    desk.rest(1)
    desk.catch_up.keep()
    for _ in range(5):
        desk.talk(35)
        desk.rest(15)
    desk.catch_up.go()
    desk.talk(1)
    assert desk.catch_up.backlog_s <= 4.0
    held = [int(kept.samples[-1]) for kept in desk.catch_up._kept]
    loud = [number for number in range(2, 252) if (number - 2) % 50 < 35]
    assert set(held) >= set(loud) - set(desk.sent)
    desk.catch_up.hold()
    desk.rest(1)
    desk.catch_up.keep()
    desk.talk(1000)
    desk.catch_up.go()
    assert desk.talk(1) == [desk.count - 6 * SECOND + 1]


@pytest.mark.parametrize("behind_s", [2.0, 3.0])
def test_on_speech_the_backlog_is_gone_in_30_s_and_no_word_is_left_out(behind_s):
    pause = noise(-70, SECOND // 2)
    speech = np.concatenate([np.append(np.frombuffer(sentence, "<i2"), pause) for sentence in 2 * sentences()])
    frames = speech[: len(speech) // 960 * 960].reshape(-1, 960).copy()
    frames[:, -1] = np.arange(len(frames))
    catch_up, gate = CatchUp(pre_roll_s=2.5), Gate()
    catch_up.hold()
    catch_up.next(pause[0])
    catch_up.keep()
    sent, loud, took_s = [], [], 0.0
    for number, frame in enumerate(frames):
        if number == behind_s * SECOND:
            catch_up.go()
        sent.append(int(catch_up.next(frame)[-1]))
        gate.hear(frame)
        loud += [number] if gate.active else []
        took_s += 0.02 if catch_up.backlog_s else 0.0
    assert catch_up.backlog_s == 0.0 and 1.0 < took_s <= 30.0
    assert 0.7 < len(loud) / len(frames) < 0.9  # as in the speech of audio-path
    assert set(sent) >= set(loud)


def test_nothing_clicks():
    catch_up = CatchUp(pre_roll_s=2.5)
    tone = np.sin(2 * np.pi * 110 * np.arange(1500 * 960) / 48_000).reshape(-1, 960)
    loudness = np.where(np.arange(1500) // 50 % 2 == 0, 0.3, 0.001)
    edges = np.repeat(loudness, 960).reshape(-1, 960)
    kernel = np.hanning(481) / np.hanning(481).sum()
    smooth = np.convolve(edges.ravel(), kernel, "same").reshape(-1, 960)
    frames = (tone * smooth * 32767).astype(np.int16)
    heard = []
    for number, frame in enumerate(frames):
        if number == 25:
            catch_up.hold()
        if number == 125:
            catch_up.keep()
        if number == 225:
            catch_up.go()
        heard.append(catch_up.next(frame))
    assert catch_up.backlog_s == 0.0

    def roughness(samples) -> int:
        return int(np.abs(np.diff(np.concatenate(samples).astype(int), n=2)).max())

    assert roughness(heard) <= 2 * roughness(frames)
