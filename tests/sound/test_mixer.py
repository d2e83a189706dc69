"""The mixer's controls: on a pretend one, and on PulseAudio's as ALSA sees it."""

import alsaaudio
import pytest

from service.core.devices import parse_device
from service.sound.abilities import look
from service.sound.alsa import AlsaInput, AlsaOutput
from service.sound.mixer import read_controls, set_controls

NAMES = ["Line", "Mic Boost", "Mic", "Mic"]


class Pretend:
    """A card's controls. Each has the sides of its `SIDES`: a level and a switch, or one of them."""

    SIDES = {
        ("Line", 0): {"volume": {"capture"}, "switch": {"capture"}},
        ("Mic Boost", 0): {"volume": {"playback"}, "switch": set()},
        ("Mic", 0): {"volume": {"playback", "capture"}, "switch": {"playback"}},
        ("Mic", 1): {"volume": set(), "switch": {"playback", "capture"}},
    }

    def __init__(self):
        self.log = []

    def mixers(self, *, device):
        return NAMES

    def open(self, name, number, *, device):
        if (name, number) not in self.SIDES:
            raise alsaaudio.ALSAAudioError(f"Unable to find mixer control {name},{number} [{device}]")
        return Control(f"{name},{number}", self.SIDES[name, number], self.log)


class Control:
    def __init__(self, name, sides, log):
        self.name, self.sides, self.log = name, sides, log

    def _do(self, what, side, value):
        if side not in self.sides[what]:
            raise alsaaudio.ALSAAudioError(f"{self.name} has no {side} {what}")
        self.log.append(f"{self.name} {side} {value}")

    def setvolume(self, percent, channel, side):
        assert channel == alsaaudio.MIXER_CHANNEL_ALL
        self._do("volume", "capture" if side == alsaaudio.PCM_CAPTURE else "playback", f"{percent}%")

    def setrec(self, on):
        self._do("switch", "capture", "on" if on else "off")

    def setmute(self, mute):
        self._do("switch", "playback", "off" if mute else "on")

    def getvolume(self, side):
        return [40, 80] if ("capture" if side == alsaaudio.PCM_CAPTURE else "playback") in self.sides["volume"] else []

    def getrec(self):
        return self._switch("capture", on=[1])

    def getmute(self):
        return self._switch("playback", on=[1, 1])

    def _switch(self, side, *, on):
        if side not in self.sides["switch"]:
            raise alsaaudio.ALSAAudioError(f"{self.name} has no {side} switch")
        return on

    def close(self):
        self.log.append("close")


@pytest.fixture
def pretend(monkeypatch):
    fake = Pretend()
    monkeypatch.setattr(alsaaudio, "mixers", fake.mixers)
    monkeypatch.setattr(alsaaudio, "Mixer", fake.open)
    return fake


def told(fake, controls, direction):
    set_controls("hw:CARD=Booth", controls, direction=direction, key="audio.input.mixer")
    return [entry for entry in fake.log if entry != "close"]


@pytest.mark.parametrize(
    ("direction", "controls", "done"),
    [
        (alsaaudio.PCM_CAPTURE, {"Line": "80%"}, ["Line,0 capture 80%", "Line,0 capture on"]),
        (alsaaudio.PCM_CAPTURE, {"Line": "off"}, ["Line,0 capture off"]),
        (alsaaudio.PCM_CAPTURE, {"Mic Boost": "0%"}, ["Mic Boost,0 playback 0%"]),
        (alsaaudio.PCM_CAPTURE, {"Mic": "7%"}, ["Mic,0 capture 7%", "Mic,0 playback on"]),
        (alsaaudio.PCM_PLAYBACK, {"Mic": "7%"}, ["Mic,0 playback 7%", "Mic,0 playback on"]),
        (alsaaudio.PCM_CAPTURE, {"Mic,1": "on"}, ["Mic,1 capture on"]),
        (alsaaudio.PCM_PLAYBACK, {"Mic,1": "off"}, ["Mic,1 playback off"]),
        (alsaaudio.PCM_PLAYBACK, {"Line": "on", "Mic Boost": "9%"}, ["Line,0 capture on", "Mic Boost,0 playback 9%"]),
    ],
)
def test_what_is_set_on_which_side(pretend, direction, controls, done):
    assert told(pretend, controls, direction) == done
    assert pretend.log.count("close") == len(controls)


@pytest.mark.parametrize(
    ("controls", "line"),
    [
        ({"Capture": "80%"}, 'audio.input.mixer: "Capture" cannot be set to "80%" (Unable to find mixer control'),
        ({"Mic,x": "80%"}, 'audio.input.mixer: "Mic,x" cannot be set to "80%" (invalid literal'),
        ({"Mic Boost": "on"}, 'audio.input.mixer: "Mic Boost" cannot be set to "on" (Mic Boost,0 has no '),
    ],
)
def test_what_cannot_be_set_is_one_line_that_names_the_controls_there_are(pretend, caplog, controls, line):
    assert told(pretend, {**controls, "Line": "on"}, alsaaudio.PCM_CAPTURE) == ["Line,0 capture on"]
    (record,) = caplog.records
    assert record.getMessage().startswith(line)
    assert record.getMessage().endswith("controls: Line, Mic Boost, Mic")


def test_without_controls_nobody_looks_for_a_mixer(pretend, monkeypatch):
    monkeypatch.setattr(alsaaudio, "mixers", None)
    assert told(pretend, {}, alsaaudio.PCM_CAPTURE) == []


def test_what_is_set_is_read_as_the_settings_write_it(pretend):
    assert read_controls("hw:CARD=Booth") == {
        "input": {"Line": "80%", "Mic": "80%", "Mic,1": "on"},
        "output": {"Mic Boost": "80%", "Mic": "off", "Mic,1": "off"},
    }
    assert pretend.log == ["close"] * 4


# -- on PulseAudio ----------------------------------------------------------------------------------------------------


def level(name, side):
    return alsaaudio.Mixer(name, device="linein").getvolume(side)


@pytest.mark.slow
def test_the_controls_are_set_at_each_opening(server):
    def open_input():
        AlsaInput(parse_device("alsa:pcm=linein"), channel="left", mixer={"Capture": "40%"}).close()

    capture = alsaaudio.Mixer("Capture", device="linein")
    capture.setrec(0)
    open_input()
    assert level("Capture", alsaaudio.PCM_CAPTURE) == [40, 40]
    assert alsaaudio.Mixer("Capture", device="linein").getrec() == [1, 1]
    capture.setvolume(90)
    open_input()
    assert level("Capture", alsaaudio.PCM_CAPTURE) == [40, 40]


@pytest.mark.slow
def test_line_out_has_its_own_and_what_is_not_there_is_told(server, caplog):
    controls = {"Master": "off", "Headphone": "50%"}
    AlsaOutput(parse_device("alsa:pcm=lineout"), mixer=controls).close()
    assert alsaaudio.Mixer("Master", device="lineout").getmute() == [1, 1]
    (record,) = caplog.records
    assert record.getMessage().startswith('audio.output.mixer: "Headphone" cannot be set to "50%"')
    assert record.getMessage().endswith("controls: Master, Capture")


@pytest.mark.slow
def test_a_card_without_a_mixer_is_told_and_works(cards, caplog):
    cards(Booth={})
    AlsaInput(parse_device("alsa:card=Booth"), channel="left", mixer={"Capture": "40%"}).close()
    (record,) = caplog.records
    assert record.getMessage().startswith("audio.input.mixer: there is no mixer (")


@pytest.mark.slow
def test_the_controls_are_read(server):
    found = look(parse_device("alsa:pcm=linein"), []).mixer
    assert (found["input"].keys(), found["output"].keys()) == ({"Capture"}, {"Master"})
    assert look(parse_device("alsa:pcm=nowhere"), []).mixer == {"input": {}, "output": {}}
