"""On ALSA's own pretend devices."""

import os

import pytest

from service.core.devices import DeviceUri, parse_device
from service.sound import abilities
from service.sound.abilities import Ability, Way, look
from service.sound.alsa import AlsaInput


def ability(uri: DeviceUri, way: Way) -> Ability:
    return look(uri, [way]).ways[way]


@pytest.fixture(autouse=True)
def devices(tmp_path, monkeypatch):
    """One that can do anything, and one that hangs in its opening."""
    os.mkfifo(tmp_path / "nobody-reads")
    (tmp_path / "asoundrc").write_text(f"""
</usr/share/alsa/alsa.conf>
pcm.anything {{ type null }}
pcm.hangs {{ type file slave.pcm anything file "{tmp_path}/nobody-reads" format raw }}
""")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asoundrc"))


@pytest.mark.parametrize("way", ["input", "output"])
def test_what_a_device_can_do(way):
    found = ability(parse_device("alsa:pcm=anything"), way)
    assert (found.rates_hz, found.every_rate_between) == ((1, 4294967295), True)
    assert (found.channels, found.s16, found.problem, found.fits) == ((1, 2, 4, 6, 8), True, None, True)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [("alsa:pcm=nowhere", "No such file or directory"), ("alsa:usb=7-1", "no sound card at this USB path")],
)
def test_a_device_that_is_not_there_says_so(uri, problem):
    assert ability(parse_device(uri), "output").problem == problem


@pytest.mark.slow
def test_a_device_that_hangs_holds_nobody(monkeypatch):
    monkeypatch.setattr(abilities, "ANSWER_S", 0.5)
    assert ability(parse_device("alsa:pcm=hangs"), "output").problem == "it does not answer"


@pytest.mark.parametrize(
    ("known", "fits"),
    [
        (Ability((44_100, 48_000), False, (2,), True), True),
        (Ability((8_000, 96_000), True, (1,), True), True),
        (Ability((44_100, 96_000), False, (2,), True), False),
        (Ability((8_000, 44_100), True, (2,), True), False),
        (Ability((48_000,), False, (4, 8), True), False),
        (Ability((48_000,), False, (2,), False), False),
        (Ability(problem="No such device"), False),
    ],
)
def test_what_fits_the_road_of_sound(known, fits):
    assert known.fits == fits


def test_what_a_card_can_do_is_what_it_says(cards):
    cards(
        mic={"rates": "44100 48000", "channels": "1", "formats": "S16_LE"}, phone={"rates": "8000", "channels": "2 4"}
    )
    mic, phone = (ability(parse_device(f"alsa:card={name}"), "input") for name in ("mic", "phone"))
    assert (mic.rates_hz, mic.every_rate_between, mic.channels, mic.fits) == ((44100, 48000), False, (1,), True)
    assert (phone.rates_hz, phone.channels, phone.fits) == ((8000,), (2, 4), False)


def test_whoever_has_a_card_keeps_it(cards):
    cards(mic={})
    held = AlsaInput(parse_device("alsa:card=mic"), channel="left")
    try:
        assert ability(parse_device("alsa:card=mic"), "input").problem == "Device or resource busy"
        assert held.read()
    finally:
        held.close()
    assert ability(parse_device("alsa:card=mic"), "input").problem is None
