"""One card of line-out in the time of its device."""

import asyncio
import random
import wave

import numpy as np
import pytest

from service.core.audio import RATE_HZ, Level
from service.core.devices import parse_device
from service.core.errors import SoundCardLost, SoundCardMissing
from service.core.routes import Route
from service.dsp.limiter import Limiter
from service.dsp.mixer import Strip, gains
from service.sound.alsa import AlsaOutput
from service.sound.pcm import DeviceLost
from service.sound.playback import Playback
from service.sound.wav import WavOutput
from tests.fakes.desk import RAMP_SAMPLES, Desk, ToneDecoder, roughness, steady
from tests.fakes.sound import FakeOutput

FULL = 4 * 480


def lengths(writes, *, channels=1):
    return [len(pcm) // 2 // channels for pcm in writes]


def run_out(desk: Desk, *devices: FakeOutput | Exception) -> None:
    """The thread's life, which ends at the last of these devices."""
    left = list(devices)
    thread = desk.playback._thread

    def open_pcm():
        device = left.pop(0)
        if not left:
            thread._stop.set()
        if isinstance(device, Exception):
            raise device
        device.clock = desk.clock
        return device

    thread._open_pcm = open_pcm
    thread.run()


# -- the card ---------------------------------------------------------------------------------------------------------


def test_the_first_write_fills_the_whole_buffer_and_the_others_are_one_period():
    desk = Desk()
    desk.play(5)
    assert lengths(desk.device.writes) == [FULL, 480, 480, 480, 480]


def starve(desk: Desk) -> None:
    """Four underruns in the next periods."""
    for _ in range(4):
        desk.device.troubles[desk.device.tries + 1] = False
        desk.play(3)


def test_a_card_that_runs_dry_too_often_is_opened_again_with_twice_the_buffer_once_nothing_is_heard():
    desk = Desk()
    desk.track("es", "0.25", frames=40)
    desk.line_out.select(["es"])
    desk.play(20)
    starve(desk)
    assert desk.playback.xruns == 4
    assert desk.cushion.periods == 8
    with pytest.raises(StopIteration):
        desk.play(400)
    now_s = desk.clock()
    assert desk.playback.last_voice_s is not None
    assert now_s - desk.playback.last_voice_s == pytest.approx(0.5, abs=0.03)  # it was not cut off
    desk.device.buffer_samples *= 2
    desk._periods.clear()
    desk.play(400)
    assert lengths(desk.device.writes)[-400] == 2 * FULL
    assert desk.playback.buffer_ms == 80


def test_a_card_that_runs_dry_now_and_then_stays_as_it_is():
    desk = Desk()
    desk.device.troubles = {100: False, 200: False, 300: False}
    desk.play(800)
    assert desk.playback.xruns == 3


def test_a_stereo_card_is_given_both_channels_in_each_write():
    desk = Desk({"card": FakeOutput(channels=2)})
    desk.device.troubles[2] = False
    desk.play(3)
    assert lengths(desk.device.writes, channels=2) == [FULL, 480, FULL]


def test_after_an_underrun_the_whole_buffer_is_filled_again_in_one_write_and_the_sound_goes_on_softly():
    desk = Desk()
    desk.track("es", "0.25")
    desk.line_out.select(["es"])
    desk.play(20)
    desk.device.troubles[20] = False
    desk.play(2)
    assert lengths(desk.device.writes[18:]) == [480, 480, FULL, 480]
    refilled = np.frombuffer(desk.device.writes[20], "<i2") / 32767
    assert steady(refilled[:-480]) == [0.0]
    assert refilled[-480] < 0.001 and steady(refilled[-240:]) == [0.25]
    assert roughness(refilled) < 1e-4  # a step would be 0.25
    assert desk.playback.xruns == 1


def test_underruns_in_a_row_are_each_refilled():
    desk = Desk()
    desk.device.troubles = {1: False, 2: False, 3: False}
    desk.play(2)
    assert lengths(desk.device.writes) == [FULL, FULL]
    assert desk.playback.xruns == 3


def test_a_lost_card_is_named_and_the_next_one_is_primed_anew():
    first, second = FakeOutput(), FakeOutput()
    first.troubles[4] = DeviceLost("alsa:card=X: unplugged")
    second.limit = 3
    desk, faults = Desk(), []
    desk.playback._thread._pause = lambda duration_s: (faults.append(desk.playback.fault), desk.clock.sleep(duration_s))
    run_out(desk, first, second, DeviceLost("over"))
    assert isinstance(faults[0], SoundCardLost)
    assert str(faults[0]) == "alsa:card=X: unplugged"
    assert lengths(second.writes) == [FULL, 480, 480]
    assert first.closed_by == second.closed_by == "MainThread"
    assert desk.playback.reopens == 1


def test_a_mono_card_that_is_to_give_two_things_is_refused():
    desk = Desk(routes=[Route("card", "es", "left"), Route("card", "fr", "right")])
    run_out(desk, FakeOutput())
    assert isinstance(desk.playback.fault, SoundCardMissing)
    assert "one channel" in desk.playback.lost and "left and right" in desk.playback.lost


def test_the_meter_shows_each_channel_and_nothing_while_the_card_is_lost():
    desk = Desk({"card": FakeOutput(channels=2)}, routes=[Route("card", channel="right")])
    desk.track("es", "0.5")
    desk.line_out.select(["es"])
    desk.play(60)
    left, right = desk.playback.levels
    assert left == Level()
    assert (right.peak_dbfs, right.rms_dbfs, right.clip) == (-6.0, -6.0, False)
    desk.playback._thread.fault = SoundCardLost("gone")
    assert desk.playback.levels == ()
    assert desk.playback.lost == "gone"


def test_too_loud_is_held_under_the_ceiling_and_shows_as_clipping():
    desk = Desk()
    desk.track("es", "4.0")
    desk.line_out.select(["es"])
    assert desk.play(20).min() >= 0.0
    assert steady(desk.play(2)) == [1.0]
    assert desk.playback.levels[0].clip


def test_a_minute_that_was_too_loud_is_told():
    desk = Desk()
    desk.track("es", "0.5")
    desk.line_out.select(["es"])
    desk.play(100)
    assert not desk.playback.too_loud
    desk.playback._mixer.limiters = [Limiter(spl_at_full_scale=130.0)]
    desk.play(200)
    assert desk.playback.too_loud


def test_the_time_of_the_last_voice_is_kept_also_while_muted():
    desk = Desk()
    desk.line_out.select(["es"])
    desk.play(3)
    assert desk.playback.last_voice_s is None
    began_s = desk.clock()
    desk.track("es", "0.1", frames=10)
    desk.line_out.mute(True)
    desk.play(100)
    assert desk.playback.last_voice_s == pytest.approx(began_s + 0.2 + 0.06 + 0.125, abs=0.02)


# -- no clicks --------------------------------------------------------------------------------------------------------


def tone_desk() -> Desk:
    desk = Desk(new_decoder=ToneDecoder)
    desk.line_out.select(["es"])
    desk.track("es", "tone")
    desk.play(12)
    return desk


TONE = 0.5 * (2 * np.pi * 440 / RATE_HZ) ** 2


@pytest.mark.parametrize(("was", "becomes", "length"), [(False, True, 240), (True, False, 960)])
def test_mute_acts_in_the_next_period_on_a_ramp_of_its_own_length(was, becomes, length):
    desk = Desk()
    desk.track("es", "0.5")
    desk.line_out.select(["es"])
    desk.line_out.mute(was)
    desk.play(20)
    desk.line_out.mute(becomes)
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
        desk.line_out.mute(on)
        pieces.append(desk.play(5))
    assert roughness(np.concatenate(pieces)) <= 1.05 * TONE + 6e-5


def stopped(*, muted: bool = False) -> np.ndarray:
    """The last 100 ms that a card is given when it is stopped in the middle of a tone."""
    desk, device = tone_desk(), FakeOutput()
    desk.playback.mute(muted)
    arriving = iter(range(40))

    class StopsInTheMiddle(FakeOutput):
        def write(self, pcm):
            desk.arrive()
            if next(arriving) == 30:
                desk.playback._thread._stop.set()
            return super().write(pcm)

    device = StopsInTheMiddle()
    run_out(desk, device, DeviceLost("not asked for"))
    assert device.closed_by == "MainThread"
    return device.samples / 32767


def test_a_stop_ramps_to_zero_and_leaves_only_silence_in_the_card():
    heard = stopped()
    ramp, silence = heard[-FULL - RAMP_SAMPLES : -FULL], heard[-FULL:]
    assert not silence.any() and abs(ramp[-1]) < 1e-3
    assert np.abs(ramp[:480]).max() > 0.4 and 0.0 < np.abs(ramp[-480:]).max() < 0.2
    assert roughness(heard[-4 * FULL :]) <= 1.05 * TONE + 6e-5


def test_a_card_that_has_run_dry_is_not_made_to_sound_again_by_the_stop():
    desk, device = tone_desk(), FakeOutput()
    periods = desk.playback._periods(device)
    next(periods)
    device.troubles[1] = False
    desk.playback._fade_out(device)
    assert len(device.writes) == 1


def test_a_card_that_comes_back_in_the_middle_of_a_tone_begins_softly():
    desk = tone_desk()
    desk._periods.clear()
    before = len(desk.device.samples)
    desk.play(10)
    heard = desk.device.samples[before:][FULL - 480 :] / 32767
    assert np.abs(heard[480 : 3 * 480]).max() > 0.1
    assert roughness(heard) <= 1.05 * TONE + 6e-5


# -- on real threads --------------------------------------------------------------------------------------------------


class Tone:
    """A source that always sounds, on one channel or on both."""

    echoes = False

    def __init__(self, *, channel="both", frequency_hz=440):
        self.channel, self.frequency_hz, self.at = channel, frequency_hz, 0

    def begin(self, channels):
        self.strip = Strip(channels=channels)
        self.strip.to(gains(self.channel, 0.0, channels=channels), samples=480)

    def pieces(self, now_s):
        steps = np.arange(self.at, self.at + 480)
        self.at += 480
        return [(self.strip, (0.5 * np.sin(2 * np.pi * self.frequency_hz * steps / RATE_HZ)).astype(np.float32))]


class Watched(WavOutput):
    """Notes of each period how loud its end is."""

    def __init__(self, path):
        super().__init__(path)
        self.ends = []

    def write(self, pcm):
        self.ends.append(int(np.abs(np.frombuffer(pcm, "<i2")[-100:].astype(int)).max()))
        return super().write(pcm)


@pytest.mark.slow
async def test_mute_reaches_the_next_period_written_whenever_it_is_pressed(tmp_path):
    """One more may be on its way to the device when the flag is set."""
    device = Watched(tmp_path / "out.wav")
    playback = Playback(open_pcm=lambda: device, sources=[Tone()], new_limiter=Limiter, ramp_samples=RAMP_SAMPLES)
    playback.start()
    chance = random.Random(1)
    for _ in range(20):
        await asyncio.sleep(0.1 + chance.random() / 50)
        pressed = len(device.ends)
        playback.mute(True)
        while len(device.ends) < pressed + 6:
            await asyncio.sleep(0.01)
        assert max(device.ends[pressed + 1 :]) == 0
        playback.mute(False)
    await playback.stop()
    with wave.open(str(tmp_path / "out.wav")) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert roughness(heard) <= 1.05 * TONE + 6e-5
    assert not heard[-480:].any() and np.abs(heard).max() > 0.49


def steady_since(card) -> tuple[int, int]:
    """From which sample on the card has not run dry, which a busy machine may make it do, and how many came since."""
    if not card.file.exists():
        return 0, 0
    since = max((event.frame + 2 * RAMP_SAMPLES for event in card.events if event.what == "xrun"), default=0)
    return since, len(card.samples(2)) - since


@pytest.mark.slow
async def test_a_stereo_card_hears_left_and_right_apart_and_a_stop_ends_in_silence(cards):
    card = cards(hall={"channels": 2})["hall"]
    playback = Playback(
        open_pcm=lambda: AlsaOutput(parse_device("alsa:card=hall")),
        sources=[Tone(channel="left"), Tone(channel="right", frequency_hz=1000)],
        new_limiter=Limiter,
        ramp_samples=RAMP_SAMPLES,
        stereo=True,
    )
    playback.start()
    async with asyncio.timeout(30):
        while steady_since(card)[1] < RATE_HZ:
            await asyncio.sleep(0.01)
    await playback.stop()
    since, length = steady_since(card)
    heard = card.samples(2)[since:] / 32767
    second = heard[length // 4 : length // 4 + RATE_HZ // 2]
    spectra = np.abs(np.fft.rfft(second * np.hanning(len(second))[:, None], axis=0))
    at_hz = {440: spectra[220], 1000: spectra[500]}  # in steps of 2 Hz
    assert at_hz[440][1] < 1e-4 * at_hz[440][0] and at_hz[1000][0] < 1e-4 * at_hz[1000][1]
    end = int(np.flatnonzero(heard.any(axis=1))[-1]) + 1
    ramp = heard[end - RAMP_SAMPLES : end]
    assert np.abs(ramp[:480]).max() > 0.4 and np.abs(ramp[-48:]).max() < 0.002
    assert roughness(heard) <= 1.05 * 0.5 * (2 * np.pi * 1000 / RATE_HZ) ** 2 + 6e-5
