import pytest

from service.demo.script import Press, parse_script


def test_presses_come_in_order_of_time():
    assert parse_script("14 mute; 8.5 lang;20 live-hold;") == [
        Press(8.5, "lang"),
        Press(14, "mute"),
        Press(20, "live-hold"),
    ]
    assert parse_script("") == []


@pytest.mark.parametrize("text", ["lang", "8", "8 jump", "-1 lang", "nan lang", "inf lang", "1 lang 2"])
def test_a_wrong_part_is_named(text):
    with pytest.raises(
        ValueError, match=f'script: "{text}" is not SECONDS WORD.*lang, live, mute, lang-hold, live-hold, both-hold'
    ):
        parse_script(f"1 live; {text}")
