import pytest

from service.core.devices import DeviceUri, parse_device


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("alsa:card=sndrpihifiberry", "card", "sndrpihifiberry"),
        ("alsa:card=Device_1", "card", "Device_1"),
        ("alsa:usb=1-1.2", "usb", "1-1.2"),
        ("alsa:usb=3-4", "usb", "3-4"),
        ("alsa:pcm=default", "pcm", "default"),
        ("alsa:pcm=hw:CARD=Device,DEV=0", "pcm", "hw:CARD=Device,DEV=0"),
        ("wav:talk.wav", "wav", "talk.wav"),
        ("wav:/srv/a b=c:d.wav", "wav", "/srv/a b=c:d.wav"),
    ],
)
def test_the_four_kinds_and_the_way_back(text, kind, value):
    assert parse_device(text) == DeviceUri(kind, value)
    assert str(parse_device(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "hw:0",
        "alsa:hw:0,0",
        "hw:1,0",
        "plughw:0",
        "plughw:1,0",
        "HW:2",
        "alsa:card=0",
        "alsa:pcm=hw:0,0",
        "alsa:pcm=hw:CARD=1",
    ],
)
def test_a_card_number_is_refused_with_the_reason(text):
    with pytest.raises(ValueError, match="can change at the next start; write alsa:card=ID"):
        parse_device(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "write alsa:card=ID"),
        ("default", "write alsa:card=ID"),
        ("alsa:", "write alsa:card=ID"),
        ("alsa:hat=x", "write alsa:card=ID"),
        ("ALSA:card=Device", "write alsa:card=ID"),
        ("alsa:card=", "alsa:card=Device"),
        ("alsa:card=two words", "alsa:card=Device"),
        ("alsa:card=longer_than_15_chars", "alsa:card=Device"),
        ("alsa:usb=usb1", "alsa:usb=1-1.2"),
        ("alsa:pcm=", "alsa:pcm=default"),
        ("wav:", "wav:/"),
        ("wav:a\nb.wav", "write alsa:card=ID"),
    ],
)
def test_anything_else_is_one_sentence_with_the_remedy(text, remedy):
    with pytest.raises(ValueError) as caught:
        parse_device(text)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
