from service.core import button_words
from service.core.gestures import CHORD_MEANS, MEANINGS, Button


def test_every_gesture_has_its_words_and_no_other():
    asked = {CHORD_MEANS}
    for meaning in MEANINGS.values():
        asked |= {meaning.press, meaning.tap, meaning.hold, meaning.late_release}
    assert set(button_words.COMMAND_WORDS) == asked - {None}
    said = {means for *_, means in button_words.rows()}
    assert said == {*button_words.COMMAND_WORDS.values(), "as it was"}


def test_what_is_let_go_late_is_taken_back():
    mute = [row for row in button_words.rows() if row[0] == "MUTE"]
    assert mute == [("MUTE", "press", "mute, or mute no more"), ("MUTE", "let go after 0.5 s", "as it was")]


def test_a_box_is_told_of_the_buttons_that_it_has():
    assert [row[:2] for row in button_words.rows([Button.LANG])] == [("LANG", "tap"), ("LANG", "hold 1 s")]
    assert ("LANG and LIVE", "hold 3 s") in [row[:2] for row in button_words.rows([Button.LIVE, Button.LANG])]
