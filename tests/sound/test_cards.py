import pytest

from service.core.devices import parse_device
from service.sound.cards import pcm_name, stable_name


@pytest.fixture
def sysfs(tmp_path):
    """Two cards, one of them at a USB port, as under /sys/class/sound."""
    for number, (name, device) in enumerate([("sndrpihifiberry", "soc:sound"), ("Device_1", "1-1.3:1.0")]):
        real = tmp_path / "devices" / device
        real.mkdir(parents=True)
        card = tmp_path / "class" / f"card{number}"
        card.mkdir(parents=True)
        (card / "id").write_text(f"{name}\n")
        (card / "device").symlink_to(real)
    return tmp_path / "class"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("alsa:card=sndrpihifiberry", "hw:CARD=sndrpihifiberry"),
        ("alsa:usb=1-1.3", "hw:CARD=Device_1"),
        ("alsa:usb=1-1", None),
        ("alsa:pcm=plug:booth", "plug:booth"),
    ],
)
def test_what_a_uri_means_now(sysfs, uri, name):
    assert pcm_name(parse_device(uri), sysfs=sysfs) == name


def test_a_card_plugged_elsewhere_is_found_there_at_the_next_look(sysfs):
    (sysfs / "card1" / "device").unlink()
    (sysfs / "card1" / "device").symlink_to(sysfs.parent / "devices" / "2-1:1.0")
    assert pcm_name(parse_device("alsa:usb=1-1.3"), sysfs=sysfs) is None
    assert pcm_name(parse_device("alsa:usb=2-1"), sysfs=sysfs) == "hw:CARD=Device_1"


def test_a_card_that_goes_while_we_look_is_not_there(sysfs):
    (sysfs / "card1" / "id").unlink()
    assert pcm_name(parse_device("alsa:usb=1-1.3"), sysfs=sysfs) is None


@pytest.mark.parametrize(
    ("number", "name"),
    [("hw:1", "alsa:card=Device_1"), ("plughw:0,0", "alsa:card=sndrpihifiberry"), ("hw:7", None), ("hw:", None)],
)
def test_the_stable_name_of_a_numbered_card(sysfs, number, name):
    assert stable_name(number, sysfs=sysfs) == name
