"""The ALSA devices: on pretend PCMs that answer as pyalsaaudio was seen to (audio-path 1), and on PulseAudio."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import alsaaudio
import numpy as np
import pytest

from service.core.devices import parse_device
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.dsp.limiter import Limiter
from service.sound import alsa
from service.sound.alsa import AlsaInput, AlsaOutput
from service.sound.capture import Capture
from service.sound.pcm import DeviceLost, Seizable
from service.sound.playback import Playback
from tests.fakes.sound import FakeEncoder

CARD = parse_device("alsa:card=Booth")
PERIOD = np.arange(480).astype("<i2")
NUMBERED = np.arange(3 * 48_000) % 20_000 + 1  # each sample tells its place


class Pretend:
    """pyalsaaudio's PCM for the cards of `plugged`: name -> what it gives for the channels asked."""

    def __init__(self, plugged: dict[str, Callable[[int], tuple[int, str, int]]]) -> None:
        self.plugged = plugged
        self.log: list[str] = []
        self.answers: list[object] = []
        self.written: list[bytes] = []

    def open(self, direction, *, device, rate, channels, format, periodsize, periods):
        assert (rate, format, periodsize) == (48_000, alsaaudio.PCM_FORMAT_S16_LE, 480)
        self.log.append(f"open {device} {channels}")
        if device not in self.plugged:
            raise alsaaudio.ALSAAudioError(f"No such device [{device}]")
        self.given = self.plugged[device](channels)
        self.periods = periods
        return self

    def info(self):
        rate, name, channels = self.given
        return {
            "rate": rate,
            "format_name": name,
            "channels": channels,
            "period_size": 480,
            "periods": self.periods,
            "buffer_size": 480 * self.periods,
        }

    def read(self):
        return self._answer()

    def write(self, data):
        self.written.append(data)
        return self._answer()

    def _answer(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def drop(self):
        self.log.append("drop")

    def close(self):
        self.log.append("close")

    def drain(self):
        raise AssertionError("drain hangs on some cards")


def stereo(channels):
    return (48_000, "S16_LE", 2)


def any_channels(channels):
    return (48_000, "S16_LE", channels)


def mono(channels):
    return (48_000, "S16_LE", 1)


def cd_rate(channels):
    return (44_100, "S16_LE", channels)


@pytest.fixture
def pretend(monkeypatch):
    def plug(**cards):
        names = {"hw": "hw:CARD=Booth", "plughw": "plughw:CARD=Booth"}
        fake = Pretend({names[name]: gives for name, gives in cards.items()})
        monkeypatch.setattr(alsa.alsaaudio, "PCM", fake.open)
        return fake

    return plug


# -- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("card", [stereo, mono, any_channels])
def test_stereo_is_asked_for_and_what_is_given_is_taken(pretend, card):
    fake = pretend(hw=card)
    AlsaInput(CARD, channel="right")
    assert fake.log == ["open hw:CARD=Booth 2"]  # asked for mono it might mix, and no channel be left to choose


@pytest.mark.parametrize(
    ("card", "opened"),
    [(any_channels, [5]), (lambda channels: (48_000, "S16_LE", 8 if channels == 8 else 2), [5, 8])],
)
def test_a_numbered_channel_is_asked_for_with_all_before_it_and_else_with_as_many_as_there_may_be(
    pretend, card, opened
):
    fake = pretend(hw=card)
    fake.answers = [(480, np.tile(np.arange(8, dtype="<i2")[: opened[-1]], 480).tobytes())]
    line_in = AlsaInput(CARD, channel=5)
    assert [entry for entry in fake.log if "open" in entry] == [f"open hw:CARD=Booth {asked}" for asked in opened]
    assert set(np.frombuffer(line_in.read(), "<i2")) == {4}


def test_a_card_of_another_rate_is_used_through_alsas_conversions_and_that_is_said(pretend, caplog):
    caplog.set_level(logging.INFO)
    fake = pretend(hw=lambda channels: (44_100, "S32_LE", 4), plughw=any_channels)
    assert AlsaOutput(CARD).channels == 4  # the card's own: ALSA is not to mix
    assert fake.log == ["open hw:CARD=Booth 2", "drop", "close", "open plughw:CARD=Booth 4"]
    assert "44100 Hz, S32_LE" in caplog.text


@pytest.mark.parametrize(
    ("device", "code"),
    [(lambda: AlsaInput(CARD, channel="left"), FaultCode.SOUND_IN), (lambda: AlsaOutput(CARD), FaultCode.SOUND_OUT)],
)
def test_a_card_that_cannot_do_the_work_is_refused_with_both_values(pretend, device, code):
    fake = pretend(hw=cd_rate, plughw=cd_rate)
    with pytest.raises(
        SoundCardMissing, match=r"alsa:card=Booth: the card gives 44100 Hz.*needed are 48000 Hz"
    ) as caught:
        device()
    assert caught.value.code is code
    assert str(caught.value).startswith("audio.input" if code is FaultCode.SOUND_IN else "audio.output")
    assert fake.log.count("close") == 2


def test_a_channel_that_the_card_has_not_is_refused(pretend):
    fake = pretend(hw=stereo)
    with pytest.raises(SoundCardMissing, match="gives 48000 Hz, S16_LE, channels: 2; needed .* channels: 3 or more$"):
        AlsaInput(CARD, channel=3)
    assert fake.log.count("close") == 2


def test_a_card_that_is_not_there_is_lost_and_nothing_is_printed(capfd):
    with pytest.raises(DeviceLost, match=r"^audio.input.device: alsa:card=Booth: No such device \[hw:CARD=Booth\]$"):
        AlsaInput(CARD, channel="left")
    assert capfd.readouterr().err == ""


def test_an_empty_usb_port_is_named():
    with pytest.raises(DeviceLost, match=r"^audio.output.device: alsa:usb=9-9.9: no sound card at this USB path$"):
        AlsaOutput(parse_device("alsa:usb=9-9.9"))


# -- reading and writing ----------------------------------------------------------------------------------------------


def test_reading_gives_the_chosen_channel(pretend):
    fake = pretend(hw=stereo)
    both = np.stack([PERIOD, -PERIOD], axis=1).astype("<i2").tobytes()
    fake.answers = [(480, both), (480, both)]
    assert AlsaInput(CARD, channel="right").read() == (-PERIOD).astype("<i2").tobytes()
    line_in = AlsaInput(CARD, channel="left")
    assert line_in.read() == PERIOD.tobytes()
    assert line_in.raw.tolist() == [[n, -n] for n in range(480)]


def test_an_overrun_is_none_and_bytes_without_a_count_are_not_believed(pretend):
    fake = pretend(hw=mono)
    line_in = AlsaInput(CARD, channel="left")
    fake.answers = [(-32, b"junk"), (0, b"junk"), (-11, b"junk"), (175, PERIOD[:175].tobytes())]
    assert line_in.read() is None
    assert [line_in.read(), line_in.read()] == [b"", b""]
    assert line_in.read() == PERIOD[:175].tobytes()


@pytest.mark.parametrize("bad", [(-32, b""), (0, b"")])
def test_ten_periods_in_a_row_without_sound_are_a_lost_card(pretend, bad):
    fake = pretend(hw=mono)
    line_in = AlsaInput(CARD, channel="left")
    good = (480, PERIOD.tobytes())
    fake.answers = [bad] * 9 + [good] + [bad] * 10
    for _ in range(19):
        line_in.read()
    with pytest.raises(DeviceLost, match="10 periods without sound"):
        line_in.read()


@pytest.mark.parametrize(("card", "channels"), [(stereo, 2), (mono, 1)])
def test_what_is_written_has_the_cards_own_channels(pretend, card, channels):
    fake = pretend(hw=card)
    fake.answers = [480]
    line_out = AlsaOutput(CARD)
    assert line_out.channels == channels
    assert line_out.write(PERIOD.tobytes() * channels)
    assert fake.written == [PERIOD.tobytes() * channels]


def test_an_underrun_is_told_and_ten_in_a_row_are_a_lost_card(pretend):
    fake = pretend(hw=stereo)
    line_out = AlsaOutput(CARD)
    assert line_out.buffer_samples == 4 * 480
    fake.answers = [-32, 480] + [-32] * 10
    assert not line_out.write(PERIOD.tobytes())
    assert line_out.write(PERIOD.tobytes())
    for _ in range(9):
        assert not line_out.write(PERIOD.tobytes())
    with pytest.raises(DeviceLost):
        line_out.write(PERIOD.tobytes())


@pytest.mark.parametrize("answer", [0, -5, alsaaudio.ALSAAudioError("Input/output error [hw:CARD=Booth]")])
def test_a_card_that_takes_nothing_is_lost(pretend, answer):
    fake = pretend(hw=stereo)
    line_out = AlsaOutput(CARD)
    fake.answers = [answer]
    with pytest.raises(DeviceLost, match="^audio.output.device: alsa:card=Booth: "):
        line_out.write(PERIOD.tobytes())


def test_a_card_that_fails_at_reading_is_lost(pretend):
    fake = pretend(hw=stereo)
    line_in = AlsaInput(CARD, channel="left")
    fake.answers = [alsaaudio.ALSAAudioError("No such device [hw:CARD=Booth]")]
    with pytest.raises(DeviceLost, match=r"No such device \[hw:CARD=Booth\]"):
        line_in.read()


def test_closing_drops_first_and_never_raises(pretend, monkeypatch):
    fake = pretend(hw=stereo)
    line_out = AlsaOutput(CARD)
    line_out.close()
    assert fake.log[-2:] == ["drop", "close"]

    def gone():
        raise alsaaudio.ALSAAudioError("gone")

    monkeypatch.setattr(fake, "drop", gone)
    line_out.close()
    assert fake.log[-1] == "close"


def test_what_somebody_is_in_is_not_taken_from_him(pretend):
    fake = pretend(hw=stereo)
    line_out = AlsaOutput(CARD)
    assert isinstance(line_out, Seizable)
    with line_out._card._inside:
        line_out.seize()
    assert "close" not in fake.log
    line_out.seize()
    assert fake.log[-2:] == ["drop", "close"]


# -- on simulated cards -----------------------------------------------------------------------------------------------

CARDS = {
    "only stereo": {"channels": "2", "formats": "S16_LE"},
    "only mono": {"channels": "1", "formats": "S16_LE"},
    "only eight channels": {"channels": "8", "formats": "S16_LE"},
    "only 44.1 kHz": {"channels": "2", "rates": "44100", "formats": "S16_LE"},
    "only S32": {"channels": "2", "formats": "S32_LE"},
    "only periods of 512": {"channels": "2", "formats": "S16_LE", "periods": "512"},
    "only periods of 1024": {"channels": "2", "formats": "S16_LE", "periods": "1024"},
    "eight channels at 96 kHz in S32": {"channels": "8", "rates": "96000", "formats": "S32_LE"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CARDS)
def test_line_out_is_heard_on_a_card_that_can_do(cards, kind):
    card = cards(Booth=CARDS[kind])["Booth"]
    line_out = AlsaOutput(CARD)
    tone = np.repeat(NUMBERED[:48_000] // 4 + 1, line_out.channels).astype("<i2").reshape(-1, 480 * line_out.channels)
    assert line_out.write(bytes(2 * line_out.channels * (line_out.buffer_samples - 480)) + tone[0].tobytes())
    assert all(line_out.write(period.tobytes()) for period in tone[1:])
    line_out.close()
    channels, rate = int(CARDS[kind]["channels"]), int(CARDS[kind].get("rates", "48000"))
    wide = CARDS[kind]["formats"] == "S32_LE"
    heard = np.fromfile(card.file, "<i4" if wide else "<i2").reshape(-1, channels) / (65536 if wide else 1)
    assert (heard == heard[:, :1]).all()
    sounding = heard[np.flatnonzero(heard[:, 0])[0] :, 0]
    slope = np.polyfit(np.arange(10_000), sounding[2000:12_000], 1)[0]
    assert slope == pytest.approx(0.25 * 48_000 / rate, rel=0.01)  # at its pitch, on every channel


@pytest.mark.slow
@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize("channel", ["left", "right", "sum", 8])
def test_the_chosen_channel_of_line_in_is_heard_or_that_it_is_missing_is_said(cards, kind, channel):
    channels, wide = int(CARDS[kind]["channels"]), CARDS[kind]["formats"] == "S32_LE"
    card = cards(Booth=CARDS[kind])["Booth"]
    levels = 1000 * np.arange(1, channels + 1)
    np.tile(levels * (65536 if wide else 1), 20_000).astype("<i4" if wide else "<i2").tofile(card.file)
    if channel == 8 > channels:
        with pytest.raises(SoundCardMissing, match=f"channels: {channels}; needed .* channels: 8 or more$"):
            AlsaInput(CARD, channel=channel)
        return
    line_in = AlsaInput(CARD, channel=channel)
    heard = np.frombuffer(b"".join(line_in.read() or b"" for _ in range(10)), "<i2")
    line_in.close()
    of_stereo = {"left": 1000, "right": 2000, "sum": 1500, 8: 8000}
    assert np.median(heard) == pytest.approx(1000 if channels == 1 else of_stereo[channel], abs=2)
    assert line_in.raw.shape[1] == channels


@pytest.mark.slow
def test_a_card_that_was_taken_from_a_thread_is_free_and_lost_to_that_thread(cards):
    cards(Booth={})
    held = AlsaInput(CARD, channel="left")
    assert held.read()
    held.seize()
    other = AlsaInput(CARD, channel="left")
    with pytest.raises(DeviceLost):
        held.read()
    held.close()
    assert other.read()
    other.close()


@pytest.mark.slow
def test_a_card_that_is_there_no_more_is_lost_and_one_that_somebody_has_is_told(cards):
    card = cards(Booth={})["Booth"]
    line_out = AlsaOutput(CARD)
    with pytest.raises(DeviceLost, match=r"alsa:card=Booth: Device or resource busy"):
        AlsaOutput(CARD)
    line_out.write(bytes(4 * line_out.buffer_samples))
    card.unplug()
    with pytest.raises(DeviceLost, match="alsa:card=Booth: No such device"):
        line_out.write(bytes(4 * 480))
    line_out.close()


@pytest.mark.slow
def test_after_an_underrun_ten_writes_go_without_another(cards):
    card = cards(Booth={})["Booth"]
    line_out = AlsaOutput(CARD)
    full = bytes(4 * line_out.buffer_samples)
    line_out.write(full)
    time.sleep(0.3)
    assert not line_out.write(bytes(4 * 480))
    assert line_out.write(full)
    assert all(line_out.write(bytes(4 * 480)) for _ in range(10))
    line_out.close()
    assert [event.what for event in card.events] == ["start", "xrun", "start", "stop"]


# -- on PulseAudio ----------------------------------------------------------------------------------------------------

LINE_IN, LINE_OUT = parse_device("alsa:pcm=linein"), parse_device("alsa:pcm=lineout")


def assert_unbroken(samples):
    """Everything between the first and the last sound is numbered without a gap."""
    sounding = np.flatnonzero(samples)
    numbers = samples[sounding[0] : sounding[-1] + 1].astype(int)
    assert len(numbers) > 24_000
    assert set(np.diff(numbers)) <= {1, 1 - 20_000}


@pytest.mark.slow
def test_line_in_hears_every_sample_of_the_chosen_channel(server):
    spoken = np.stack([np.zeros_like(NUMBERED), NUMBERED], axis=1).astype("<i2")
    line_in = AlsaInput(LINE_IN, channel="right")
    heard = bytearray()
    with server.speaking(spoken.tobytes()):
        for _ in range(400):
            heard += line_in.read() or b""
            if len(heard) > 2 * 96_000 and any(heard[: 2 * 48_000]):
                break
    line_in.close()
    assert_unbroken(np.frombuffer(heard, "<i2"))


@pytest.mark.slow
def test_every_sample_of_line_out_arrives_on_both_sides(server):
    line_out = AlsaOutput(LINE_OUT)
    sound = NUMBERED[:96_000].astype("<i2").reshape(-1, 480)
    silence = bytes(2 * 960)
    with server.listening() as recording:
        line_out.write(bytes(4 * line_out.buffer_samples))
        for _ in range(100):
            line_out.write(silence)
        for period in sound:
            line_out.write(np.repeat(period, 2).tobytes())
        for _ in range(100):
            line_out.write(silence)
    line_out.close()
    stereo = np.frombuffer(recording.read_bytes(), "<i2").reshape(-1, 2)
    assert (stereo[:, 0] == stereo[:, 1]).all()
    assert_unbroken(stereo[:, 0])


async def until(condition, *, within_s=10.0):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_cards_that_are_unplugged_come_back_by_themselves(server):
    capture = Capture(
        open_pcm=lambda: AlsaInput(LINE_IN, channel="left"), new_encoder=FakeEncoder, go=threading.Event()
    )
    playback = Playback(
        open_pcm=lambda: AlsaOutput(LINE_OUT), sources=(), new_limiter=Limiter, ramp_samples=480, stereo=True
    )
    directions = (capture, playback)
    for direction in directions:
        direction.start()
    await until(lambda: capture.captured > 5)
    assert capture.lost is playback.lost is None

    await asyncio.to_thread(server.kill)
    await until(lambda: capture.lost and playback.lost)
    assert all(isinstance(direction.fault, SoundCardLost) for direction in directions)
    beats = [direction.last_period_s for direction in directions]
    await until(lambda: all(d.last_period_s > beat for d, beat in zip(directions, beats, strict=True)))
    assert (await capture.read()).payload == b"0"  # silence flows

    await asyncio.to_thread(server.start)
    await until(lambda: capture.lost is playback.lost is None)
    assert [direction.reopens for direction in directions] == [1, 1]
    with server.speaking(np.full(96_000 * 3, 8000, "<i2").tobytes()):
        await until(lambda: capture.level.peak_dbfs > -20)
    for direction in directions:
        await direction.stop()
