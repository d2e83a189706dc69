from xml.etree import ElementTree as ET

import pytest

from tests.fakes.verbs import Verb

BOX = """
[box]
name = "Room 4"
[[pair]]
name = "EN to ES"
source = "en"
target = "es"
[lamps]
live = { pin = 6 }
[buttons]
lang = { pin = 17 }
"""


@pytest.fixture
def config(tmp_path):
    return tmp_path / "boothd.toml"


def words(svg: list[str]) -> list[str | None]:
    return [text.text for text in ET.fromstring("\n".join(svg)).iter("{http://www.w3.org/2000/svg}text")]


def test_it_prints_the_card_of_the_box_that_the_settings_describe(config, capsys):
    config.write_text(BOX)
    told = Verb("label", config, capsys)()
    assert (told.code, told.err) == (0, [])
    said = words(told.out)
    assert said[0] == "Room 4"
    assert {"EN to ES", "LIVE", "LANG"} <= set(said) and not {"LINK", "MUTE"} & set(said)


def test_settings_without_pins_show_all_there_may_be(config, capsys):
    config.write_text(BOX[: BOX.index("[lamps]")])
    assert {"EN to ES", "L1", "LINK", "ALERT", "MUTE"} <= set(words(Verb("label", config, capsys)().out))


def test_without_settings_that_can_be_read_it_is_the_card_of_any_box(config, capsys):
    config.write_text("[box]\nnmae = 1\n")
    told = Verb("label", config, capsys)()
    assert told.code == 0
    assert "nmae" in "\n".join(told.err)
    assert {"boothd", "LINK", "MUTE"} <= set(words(told.out))
