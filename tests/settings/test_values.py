import pytest

from service.settings.values import base_url, device, duration, milliseconds, source_code, target_code


@pytest.mark.parametrize(
    ("text", "value_ms"),
    [("30ms", 30), ("0ms", 0), ("10s", 10_000), ("1.5s", 1500), ("5m", 300_000), ("8h", 28_800_000)],
)
def test_durations_have_a_unit(text, value_ms):
    assert milliseconds(text) == value_ms


@pytest.mark.parametrize("text", ["", "30", "ms", "-1s", "1 s", "1d", "1S", "1e3s", "١s", "inf", "1.0000s", "10s "])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(ValueError, match='"30ms", "10s", "5m" or "8h"'):
        milliseconds(text)


@pytest.mark.parametrize("text", ["30ms", "1500ms", "10s", "90s", "5m", "8h"])
def test_durations_are_written_back_in_their_largest_whole_unit(text):
    assert duration(milliseconds(text)) == text


def test_source_may_be_auto_and_a_target_may_not():
    assert source_code("Auto") == "auto"
    assert source_code("EN") == "en"
    with pytest.raises(ValueError, match="source only"):
        target_code("AUTO")


def test_an_address_loses_its_closing_slash():
    assert base_url("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"
    assert base_url("https://[::1]:1/x") == "https://[::1]:1/x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.palabra.ai",
        "ws://a",
        "https://",
        "https://[",
        "https://a:x",
        "https://u:hunter2@a",
        "https://a?k=hunter2",
    ],
)
def test_a_refused_address_is_not_repeated(text):
    with pytest.raises(ValueError) as caught:
        base_url(text)
    assert "hunter2" not in str(caught.value)


def test_a_numbered_device_is_refused_with_the_name_of_today(monkeypatch):
    monkeypatch.setattr("service.settings.values.stable_name", lambda text: f"alsa:card=Card{text[-1]}")
    with pytest.raises(ValueError, match='"hw:3" counts cards.*; today that is alsa:card=Card3'):
        device("hw:3")
    with pytest.raises(ValueError, match=r"write for example alsa:usb=1-1.2$"):
        device("alsa:usb=3")
    assert device("alsa:card=Device") == "alsa:card=Device"
