"""On ALSA's own pretend devices."""

import os

import pytest

from service.core.devices import parse_device
from service.sound import abilities
from service.sound.abilities import Ability, ability


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
    assert (found.rates_hz, found.every_rate_between) == ([1, 4294967295], True)
    assert (found.channels, found.s16, found.problem, found.fits) == ([1, 2, 4, 6, 8], True, None, True)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [("alsa:pcm=nowhere", "No such file or directory"), ("alsa:usb=7-1", "no sound card at this USB path")],
)
def test_a_device_that_is_not_there_says_so(uri, problem):
    assert ability(parse_device(uri), "output").problem == problem


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
