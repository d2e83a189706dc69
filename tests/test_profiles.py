"""The sample profiles of `deploy/profiles`, each started as it is on a daemon's own pins, with files for its cards."""

import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.settings import load
from tests.fakes.file_pins import FilePins
from tests.fakes.processes import box, credentials, recording, sandbox, until
from tests.fakes.speech import recorded

PROFILES = Path(__file__).parents[1] / "deploy/profiles"
LINK, LIVE, ALERT, L1, L2 = 5, 6, 13, 19, 26
LANG, BUTTON, MUTE = 17, 27, 22


def profile(name: str) -> str:
    return (PROFILES / f"{name}.toml").read_text()


def test_every_profile_loads_as_it_is_and_lacks_nothing():
    found = {path.stem: load(path, environ={"PALABRA_API_KEY": "key"}, for_run=True) for path in PROFILES.iterdir()}
    told = {
        name: (one.box.autostart, len(one.pair), [button for button, pin in one.buttons if pin is not None])
        for name, one in found.items()
    }
    assert told == {
        "conference-room": ("always", 1, ["live", "mute"]),
        "booth": ("off", 4, ["lang", "live", "mute"]),
        "kiosk": ("always", 2, ["lang"]),
    }
    assert (
        found["conference-room"].fallback.mode == "floor" and found["conference-room"].audio.output.off_air == "floor"
    )
    assert found["kiosk"].session.idle_pause_after_s == 60


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with sandbox(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def start(tmp_path, cloud):
    """A box with this profile; only its sound devices and its cloud are others."""
    recording(tmp_path / "in.wav", recorded()[: 10 * 96_000])

    @contextmanager
    def begin(name: str, **more: str):
        pins = FilePins(tmp_path / "pins")
        environ = {
            "BOOTHD_PALABRA__BASE_URL": cloud.url,
            "BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{tmp_path / 'in.wav'}",
            "BOOTHD_AUDIO__OUTPUT__DEVICE": f"wav:{tmp_path / 'out.wav'}",
            "BOOTHD_HTTP__SOCKET": str(tmp_path / "control.sock"),
        }
        with box(tmp_path, profile(name), environ={**environ, **credentials(cloud), **pins.environ, **more}) as one:
            yield one, pins

    return begin


def lit(pins: FilePins, *lamps: int) -> None:
    """These are lit and the others are dark, soon."""
    all_lamps = (LINK, LIVE, ALERT, L1, L2)
    wanted = tuple(int(lamp in lamps) for lamp in all_lamps)
    until(lambda: tuple(level or 0 for level in pins.levels(*all_lamps)) == wanted, f"{lamps} lit alone")


@pytest.mark.slow
def test_a_conference_room_is_live_by_itself_and_pauses_by_its_button(start):
    with start("conference-room") as (one, pins):
        one.until("live")
        lit(pins, LINK, LIVE)
        pins.press(MUTE)
        until(lambda: one.status()["muted"], "MUTE")
        pins.press(MUTE)
        until(lambda: not one.status()["muted"], "no MUTE")
        pins.press(BUTTON)
        one.until("paused")
        pins.press(BUTTON)
        one.until("live")


@pytest.mark.slow
def test_a_conference_room_hears_the_speaker_when_the_translation_is_gone(start, cloud):
    cloud.fault("voiceless")
    try:
        with start("conference-room") as (one, pins):
            one.until("live")
            until(lambda: one.status()["floor"]["fallback"], "the floor", 40)
            until(lambda: pins.level(LIVE) == 0 and pins.level(ALERT) == 1, "ALERT without LIVE")
    finally:
        cloud.clear("voiceless")


@pytest.mark.slow
def test_a_booth_waits_for_its_interpreter_and_has_every_button(start):
    with start("booth") as (one, pins):
        one.until("ready")
        lit(pins, LINK)
        pins.press(BUTTON)
        one.until("live")
        lit(pins, LINK, LIVE, L1)
        pins.press(LANG)
        until(lambda: one.status()["confirmed"] == "EN to FR", "French")
        lit(pins, LINK, LIVE, L2)
        pins.press(LANG, 1.2)  # held
        until(lambda: one.status()["confirmed"] == "EN to ES", "Spanish again")
        pins.hold(MUTE)
        until(lambda: one.status()["muted"], "the cough")
        time.sleep(0.6)  # a shorter one would stay
        pins.release(MUTE)
        until(lambda: not one.status()["muted"], "its end")
        pins.hold(LANG)
        pins.hold(BUTTON)
        until(lambda: one.status()["identifying"], "identify")
        pins.release(LANG)
        pins.release(BUTTON)
        until(lambda: not one.status()["identifying"], "the end of identify", 20)
        assert one.status()["phase"] == "live"
        pins.press(BUTTON, 1.2)
        one.until("ready")
        lit(pins, LINK)


@pytest.mark.slow
def test_a_kiosk_is_live_by_itself_and_rests_when_nobody_speaks(start):
    with start("kiosk", BOOTHD_SESSION__IDLE_PAUSE_AFTER="30s") as (one, pins):
        one.until("live")
        lit(pins, LIVE, L1)
        pins.press(LANG)
        until(lambda: one.status()["confirmed"] == "EN to FR", "French")
        one.until("paused", 60)
        assert one.status()["idle"]
        pins.press(LANG)
        until(lambda: one.status()["wanted"] == "EN to ES", "the wish for Spanish")
        assert one.status()["phase"] == "paused"
