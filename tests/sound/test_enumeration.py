import os
import subprocess
import sys

import pytest

from service.core.devices import parse_device
from service.sound.enumeration import Found, cards

CARDS = """ 0 [sndrpihifiberry]: RPi-simple - snd_rpi_hifiberry_dacplusadc
                      snd_rpi_hifiberry_dacplusadc
 2 [Device_1       ]: USB-Audio - USB Audio - with a dash
                      C-Media Electronics Inc. USB Audio at usb-0000:01:00.0-1.3, full speed
10 [Loopback       ]: Loopback - Loopback
                      Loopback 1
"""


@pytest.fixture
def machine(tmp_path):
    """A HAT, a USB microphone and a card of two devices, as under /sys/class/sound and /proc/asound."""
    sysfs = tmp_path / "class"
    for number, name, device, pcms in [
        (10, "Loopback", "platform:loopback", ("D0c", "D0p", "D1c", "D1p")),
        (2, "Device_1", "1-1.3:1.0", ("D0c",)),
        (0, "sndrpihifiberry", "soc:sound", ("D0p",)),
    ]:
        real = tmp_path / "devices" / device
        real.mkdir(parents=True)
        (card := sysfs / f"card{number}").mkdir(parents=True)
        (card / "id").write_text(f"{name}\n")
        (card / "device").symlink_to(real)
        for pcm in pcms:
            (sysfs / f"pcmC{number}{pcm}").mkdir()
    (sysfs / "timer").mkdir()
    (tmp_path / "cards").write_text(CARDS)
    return {"sysfs": sysfs, "long_names": tmp_path / "cards"}


def uris(*texts):
    return tuple(map(parse_device, texts))


def test_every_card_with_its_names_and_ways(machine):
    assert cards(**machine) == [
        Found("snd_rpi_hifiberry_dacplusadc", uris("alsa:card=sndrpihifiberry"), captures=False, plays=True),
        Found("USB Audio - with a dash", uris("alsa:card=Device_1", "alsa:usb=1-1.3"), captures=True, plays=False),
        Found("Loopback", uris("alsa:card=Loopback"), captures=True, plays=True),
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("alsa:card=Device_1", ["USB Audio - with a dash"]),
        ("alsa:usb=1-1.3", ["USB Audio - with a dash"]),
        ("alsa:pcm=plughw:CARD=Device_1,DEV=0", ["USB Audio - with a dash"]),
        ("alsa:pcm=dsnoop:CARD=Loopback", ["Loopback"]),
        ("alsa:card=Device", []),
        ("alsa:usb=1-1", []),
        ("alsa:pcm=hw:CARD=Device", []),
        ("wav:Device_1", []),
    ],
)
def test_whom_the_settings_mean(machine, text, meant):
    assert [card.name for card in cards(**machine) if card.is_meant_by(parse_device(text))] == meant


@pytest.mark.parametrize("other", ["Device_1", "Device-1", "Devices"])
def test_a_longer_id_is_that_of_another_card(other):
    card = Found("USB Audio", uris("alsa:card=Device"))
    assert card.is_meant_by(parse_device("alsa:pcm=hw:CARD=Device,DEV=0"))
    assert not card.is_meant_by(parse_device(f"alsa:pcm=hw:CARD={other}"))


def test_a_device_of_the_configuration_is_meant_by_its_name_alone():
    booth = Found("booth", uris("alsa:pcm=booth"))
    assert booth.is_meant_by(parse_device("alsa:pcm=booth"))
    assert not booth.is_meant_by(parse_device("alsa:pcm=hw:CARD=booth"))


def test_a_card_that_goes_while_we_look_is_not_there(machine):
    (machine["sysfs"] / "card2" / "id").unlink()
    machine["long_names"].unlink()
    assert [card.name for card in cards(**machine)] == ["sndrpihifiberry", "Loopback"]


def test_a_kernel_without_sound_has_no_cards(tmp_path):
    assert cards(sysfs=tmp_path / "no", long_names=tmp_path / "neither") == []


def test_the_devices_of_the_alsa_configuration_are_named_and_its_conversions_are_not(tmp_path):
    # A process of its own: ALSA reads its configuration once.
    (tmp_path / "asoundrc").write_text(
        "</usr/share/alsa/alsa.conf>\npcm.booth { type null }\npcm.floor { type null hint.description 'x' }\n"
    )
    program = "from service.sound.enumeration import pcms; print(*(found.uris[0] for found in pcms()))"
    environ = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asoundrc")}
    told = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert {"alsa:pcm=booth", "alsa:pcm=floor"} <= set(told.stdout.split())
    assert not {"alsa:pcm=null", "alsa:pcm=samplerate"} & set(told.stdout.split())
