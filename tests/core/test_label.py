"""The card, read back as a person would: words by their height, bars by what is black."""

import math
from xml.etree import ElementTree as ET

import pytest

from service.core import button_words, label, lamp_words
from service.core.gestures import Button
from service.core.lamps import CODES, FACES, LampClass, Pattern

SVG = "{http://www.w3.org/2000/svg}"
PAIRS = ("EN to ES", "EN to FR")


class Card:
    """`text` is all words, line after line; `bars` are (x, y, seconds lit and dark) from the top."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)
        self.words = [(float(one.get("x")), float(one.get("y")), one.text) for one in self.root.iter(f"{SVG}text")]
        self.text = " ".join(text for *_, text in self.words)
        rects = [rect for rect in self.root.iter(f"{SVG}rect") if rect.get("fill") != "white"]
        self.bars, lit = [], []
        for x, y, width, fill in (
            (*(float(one.get(key)) for key in ("x", "y", "width")), one.get("fill")) for one in rects
        ):
            if fill == "black":
                lit.append((x, width))
            else:
                self.bars.append((x, y, width, [((begin - x) / width, wide / width) for begin, wide in lit]))
                lit = []

    def row_of(self, words: str) -> list[tuple[float, list[tuple[float, float]]]]:
        """The bars on the line of these words, from the left: width and what of it is black."""
        y = next(y for _, y, text in self.words if text == words or (len(words) > 9 and text.startswith(words[:20])))
        return [(width, lit) for _, top, width, lit in sorted(self.bars) if top < y < top + 5]


def seen(pattern: Pattern, seconds: float) -> list[tuple[float, float]]:
    """Begin and length of each flash within so many seconds, as shares of them."""
    lit, t_s = [], 0.0
    for place, step_s in enumerate(pattern.steps_s * 20):
        begin_s, t_s = t_s, min(t_s + step_s, seconds)
        if place % 2 == 0 and t_s > begin_s:
            lit.append((begin_s / seconds, (t_s - begin_s) / seconds))
        if t_s == seconds:
            break
    return lit


def flat(bars) -> list[float]:
    return [number for flash in bars for number in flash]


def test_every_class_is_drawn_as_it_blinks():
    card = Card(label.svg(name="Room 4", pairs=PAIRS))
    for said in LampClass:
        bars = [lit for _, lit in card.row_of(said.value)]
        expected = [seen(pattern, label.BAR_S) for pattern in FACES.get(said, ())]
        if said is LampClass.FAULT:
            expected = [[(0.0, 1.0)], []]  # and the code in words
        assert len(bars) == len(expected), said
        for drawn, wanted in zip(bars, expected, strict=True):
            assert flat(drawn) == pytest.approx(flat(wanted), abs=0.002), said


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_drawn_as_one_round_and_all_on_one_scale(code):
    round_s = math.fsum(CODES[code].steps_s)
    [(width, lit), *_] = Card(label.svg()).row_of(f"{int(code)} {lamp_words.CODE_WORDS[code]}")
    assert len(lit) == 1 + code
    assert flat(lit) == pytest.approx(flat(seen(CODES[code], round_s)), abs=0.002)
    assert width / label.CODE_WIDTH == pytest.approx(round_s / label.CODE_S, abs=0.002)


def test_all_that_buttons_and_language_lamps_mean_is_said():
    text = Card(label.svg(pairs=PAIRS, language_lamps=1)).text
    for words in (*lamp_words.LANGUAGE_WORDS.values(), lamp_words.ACKNOWLEDGED, *lamp_words.CODE_WORDS.values()):
        assert words in text
    for row in button_words.rows():
        assert all(words in text for words in row)
    assert "L1 EN to ES - EN to FR" in text


def test_a_name_may_hold_what_xml_is_made_of():
    card = Card(label.svg(name='<b>&"Зал 2"', pairs=("A & B <1>",)))
    assert card.words[0][2] == '<b>&"Зал 2"' and "A & B <1>" in card.text


@pytest.mark.parametrize("count", [0, 4, 40])
def test_all_of_it_is_on_the_sheet(count):
    card = Card(label.svg(name="long " * 40, pairs=[f"{number} {'long ' * 20}" for number in range(count)]))
    width, height = (float(card.root.get(key).removesuffix("mm")) for key in ("width", "height"))
    assert width == 148 and (height == 210 or count > 4)
    assert max(y for _, y, _ in card.words) < height - 5
    for x, _, text in card.words[1:]:
        assert x + len(text) * label.LETTER <= width, text
    assert len(card.words[0][2]) <= 40


def test_a_kiosk_with_one_lamp_and_one_button_is_told_of_these():
    card = Card(label.svg(pairs=PAIRS, lamps=["live"], language_lamps=2, buttons=[Button.LANG]))
    assert [len(card.row_of(said.value)) for said in (LampClass.LIVE, LampClass.CONNECTING)] == [1, 1]
    assert card.row_of(LampClass.FAULT.value) == [] and "a code" in card.text
    assert not {"LINK", "ALERT", "MUTE", "LANG and LIVE"} & {text for *_, text in card.words}
