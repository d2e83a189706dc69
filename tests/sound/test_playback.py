"""Line-out in the time of its device: the fake card lets 10 ms pass with each period that it takes."""

import numpy as np
import pytest

from service.core.audio import RATE_HZ, EncodedFrame, Level
from service.core.errors import SoundCardLost
from service.sound.pcm import DeviceLost
from service.sound.playback import Playback
from tests.fakes.sound import Clock, FakeDecoder, FakeOutput

FULL = 4 * 480


class ToneDecoder(FakeDecoder):
    """Whatever comes, 440 Hz goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def _samples(self, what: str, payload: bytes, samples: int) -> bytes:
        steps = np.arange(self.at, self.at + samples)
        self.at += samples
        return (0.5 * np.sin(2 * np.pi * 440 * steps / RATE_HZ)).astype("<f4").tobytes()


class Desk:
    """A playback on the test's own thread: `play` lets so many periods pass, then the story ends or goes on."""

    def __init__(self, *devices: FakeOutput | Exception, new_decoder=FakeDecoder) -> None:
        self.clock = Clock()
        self.devices = list(devices) or [FakeOutput()]
        self.opened = 0
        self.playback = Playback(
            open_pcm=self.open, new_decoder=new_decoder, playout_min_s=0.020, clock=self.clock, pause=self.clock.sleep
        )
        self.device = self.devices[0]
        for device in self.devices:
            if isinstance(device, FakeOutput):
                device.clock = self.clock
        self._periods = None
        self._arriving: list = []

    def open(self) -> FakeOutput:
        self.opened += 1
        device = self.devices.pop(0)
        if not self.devices:
            self.playback._thread._stop.set()
        if isinstance(device, Exception):
            raise device
        return device

    def play(self, periods: int) -> np.ndarray:
        """What these periods sound like, while the tracks' packets come in time."""
        if self._periods is None:
            self._periods = self.playback._periods(self.device)
        before = len(self.device.samples)
        for _ in range(periods):
            self.arrive()
            next(self._periods)
        return self.device.samples[before:] / 32767

    def arrive(self) -> None:
        """The packets whose time has come."""
        for sink, value, began_s, numbers in self._arriving:
            while numbers and began_s + numbers[0] * 0.020 <= self.clock():
                number = numbers.pop(0)
                sink.push(EncodedFrame(number, number * 960, value.encode()))

    def track(self, language: str, value: str, *, frames: int = 1000) -> None:
        """A new track, all of whose samples have this value. It is heard from 60 ms on."""
        sink = self.playback.sink(language)
        self._arriving.append((sink, value, self.clock(), list(range(frames))))


def steady(samples):
    return sorted(set(np.round(samples, 2)))


# -- the card ---------------------------------------------------------------------------------------------------------


def test_the_first_write_fills_the_whole_buffer_and_the_others_are_one_period():
    desk = Desk()
    desk.play(5)
    assert [len(pcm) // 2 for pcm in desk.device.writes] == [FULL, 480, 480, 480, 480]


def test_every_channel_of_the_card_gives_the_same():
    desk = Desk(FakeOutput(channels=2))
    desk.track("es", "0.25")
    desk.playback.select("es")
    heard = desk.play(20)
    assert heard.shape == (FULL + 19 * 480, 2)
    assert heard[:, 0].any() and (heard[:, 0] == heard[:, 1]).all()


def test_after_an_underrun_the_whole_buffer_is_filled_again_in_one_write_and_no_sound_is_lost():
    desk = Desk(FakeOutput())
    desk.track("es", "0.25")
    desk.playback.select("es")
    desk.play(10)
    desk.device.troubles[10] = False
    desk.play(2)
    assert [len(pcm) // 2 for pcm in desk.device.writes[8:]] == [480, 480, FULL, 480]
    refilled = np.frombuffer(desk.device.writes[10], "<i2") / 32767
    assert steady(refilled[:-480]) == [0.0]
    assert steady(refilled[-480:]) == [0.25]
    assert desk.playback.xruns == 1


def test_underruns_in_a_row_are_each_refilled():
    desk = Desk()
    desk.device.troubles = {1: False, 2: False, 3: False}
    desk.play(2)
    assert [len(pcm) // 2 for pcm in desk.device.writes] == [FULL, FULL]
    assert desk.playback.xruns == 3


def test_a_lost_card_is_named_and_the_next_one_is_primed_anew():
    first, second = FakeOutput(), FakeOutput()
    first.troubles[4] = DeviceLost("alsa:card=X: unplugged")
    second.limit = 3
    desk = Desk(first, second, DeviceLost("over"))
    faults = []
    desk.playback._thread._pause = lambda duration_s: (faults.append(desk.playback.fault), desk.clock.sleep(duration_s))
    desk.playback._thread.run()
    assert isinstance(faults[0], SoundCardLost)
    assert str(faults[0]) == "alsa:card=X: unplugged"
    assert [len(pcm) // 2 for pcm in second.writes] == [FULL, 480, 480]
    assert first.closed_by == second.closed_by == "MainThread"
    assert desk.playback.reopens == 1


def test_what_came_while_the_card_was_lost_is_not_heard_later():
    desk = Desk()
    desk.playback.select("es")
    desk.track("es", "0.25", frames=100)
    desk.play(20)
    for _ in range(150):
        desk.clock.sleep(0.020)
        desk.arrive()
    heard = desk.play(40)
    assert np.abs(heard[960:]).max() == 0.0
    assert desk.playback.frames["dropped"] > 80


def test_the_meter_shows_the_last_period_and_silence_while_the_card_is_lost():
    desk = Desk(FakeOutput())
    desk.track("es", "0.5")
    desk.playback.select("es")
    desk.play(10)
    assert desk.playback.level.peak_dbfs == -6.0
    desk.playback._thread.fault = SoundCardLost("gone")
    assert desk.playback.level == Level()
    assert desk.playback.lost == "gone"


# -- what is heard ----------------------------------------------------------------------------------------------------


def test_nothing_is_heard_before_a_target_is_selected_and_then_only_that():
    desk = Desk()
    desk.track("es", "0.25")
    desk.track("fr", "0.5")
    assert steady(desk.play(10)) == [0.0]
    desk.playback.select("fr")
    desk.play(1)
    assert steady(desk.play(4)) == [0.5]
    desk.playback.select("es")
    desk.play(1)
    assert steady(desk.play(4)) == [0.25]


def test_a_target_is_heard_from_the_track_of_its_base_language():
    desk = Desk()
    desk.track("zh-hans", "0.25")
    desk.track("en", "0.5")
    desk.playback.select("zh")
    desk.play(10)
    assert steady(desk.play(4)) == [0.25]


def test_a_language_that_gets_a_new_track_is_heard_from_that():
    desk = Desk()
    desk.playback.select("es")
    desk.track("es", "0.25")
    desk.play(10)
    desk.track("es", "0.5")
    desk.play(10)
    assert steady(desk.play(4)) == [0.5]


def test_after_clear_there_is_silence_and_the_counters_stay():
    desk = Desk()
    desk.track("es", "0.25")
    desk.playback.select("es")
    desk.play(20)
    before = desk.playback.frames
    desk.playback.clear()
    desk.play(1)
    assert steady(desk.play(2)) == [0.0]
    after = desk.playback.frames
    assert before["received"] == after["received"] == 10
    assert after["played"] >= before["played"] > 0
    assert set(after) == {"received", "played", "concealed", "late", "dropped"}


def test_too_loud_is_clipped_and_does_not_wrap():
    desk = Desk()
    desk.track("es", "1.5")
    desk.playback.select("es")
    assert desk.play(10).min() >= 0.0
    assert steady(desk.play(2)) == [1.0]


def test_the_time_of_the_last_voice_is_kept_also_while_muted():
    desk = Desk()
    desk.playback.select("es")
    desk.play(3)
    assert desk.playback.last_voice_s is None
    began_s = desk.clock()
    desk.track("es", "0.1", frames=10)
    desk.playback.mute(True)
    desk.play(100)
    assert desk.playback.last_voice_s == pytest.approx(began_s + 0.2 + 0.06 + 0.125, abs=0.02)


# -- no clicks --------------------------------------------------------------------------------------------------------


def tone_desk() -> Desk:
    desk = Desk(new_decoder=ToneDecoder)
    desk.playback.select("es")
    desk.track("es", "tone")
    desk.play(10)
    return desk


def roughness(samples):
    """The largest second difference: what a click raises. Of one LSB of rounding it is 6e-5."""
    return np.abs(np.diff(samples, n=2)).max()


TONE = 0.5 * (2 * np.pi * 440 / RATE_HZ) ** 2


@pytest.mark.parametrize(("was", "becomes", "length"), [(False, True, 240), (True, False, 960)])
def test_mute_acts_in_the_next_period_on_a_ramp_of_its_own_length(was, becomes, length):
    desk = Desk()
    desk.track("es", "0.5")
    desk.playback.select("es")
    desk.playback.mute(was)
    desk.play(10)
    desk.playback.mute(becomes)
    heard = desk.play(3)
    start, end = (0.0, 0.5) if was else (0.5, 0.0)
    assert heard[0] == pytest.approx(start, abs=0.001)
    assert heard[length // 2 - 1] == pytest.approx(0.25, abs=0.005)
    assert np.allclose(heard[length - 1 :], end, atol=1e-4)
    assert abs(heard[length - 50] - end) > 0.001


def test_muting_and_unmuting_a_tone_does_not_click():
    desk = tone_desk()
    pieces = [desk.play(2)]
    for on in (True, False, True, False):
        desk.playback.mute(on)
        pieces.append(desk.play(5))
    assert roughness(np.concatenate(pieces)) <= 1.05 * TONE + 6e-5


@pytest.mark.parametrize(
    "happens",
    [
        lambda desk: desk.playback.select("fr"),
        lambda desk: desk.playback.clear(),
        lambda desk: desk.track("es", "tone"),
    ],
    ids=["another language", "the end of the session", "a new track"],
)
def test_a_track_that_is_left_does_not_click(happens):
    desk = tone_desk()
    desk.track("fr", "tone")
    before = desk.play(2)
    happens(desk)
    heard = np.concatenate([before, desk.play(20)])
    assert roughness(heard) <= 1.1 * TONE + 6e-5
