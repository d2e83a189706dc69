"""The card beside the box, as one SVG: what its lamps say, drawn as bars of time, and what its buttons ask for."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from xml.etree import ElementTree as ET

from service.core import button_words, lamp_words
from service.core.gestures import Button
from service.core.lamps import CODES, FACES, FAST, OFF, ON, LampClass, Pattern, language_lamp

LAMPS = ("link", "live", "alert")

# All in millimetres on A5, of which a print on A6 is the 0.7fold: its letters are 2.2 mm high then, 6.4 points.
WIDTH, HEIGHT, MARGIN = 148.0, 210.0, 8.0
TEXT, LINE, GAP = 3.2, 3.8, 0.85
LETTER = 0.52 * TEXT  # on the average
BAR_WIDTH, BAR_HEIGHT, BAR_S = 14.0, 2.8, 4.0
CODE_WIDTH, CODE_S = 27.0, 6.3  # the longest round
MIDDLE = 84.0
EDGE_S = 1e-6  # sums of steps miss their ends by a hair


def svg(
    *,
    name: str | None = None,
    pairs: Sequence[str] = (),
    lamps: Collection[str] = LAMPS,
    language_lamps: int | None = None,
    buttons: Collection[Button] = tuple(Button),
) -> str:
    """The card of a box of this name, with these lamps and buttons; None for its language lamps: one for each pair."""
    card = _Card()
    y = card.words(MARGIN, MARGIN + 5.0, _short(name or "boothd", 40), size=6.0, bold=True)
    y = _classes(card, y, [lamp for lamp in LAMPS if lamp in lamps])
    count = len(pairs) if language_lamps is None else language_lamps
    y = max(_codes(card, y), _languages(card, y, pairs, count))
    return card.text(_buttons(card, y, buttons))


def _classes(card: _Card, y: float, lamps: list[str]) -> float:
    """What the lamps say together. A box without ALERT counts the code on LIVE."""
    bars = [MARGIN + place * (BAR_WIDTH + 3.0) for place in range(len(lamps))]
    means = MARGIN + len(lamps) * (BAR_WIDTH + 3.0) + 1.0
    for x, lamp in zip(bars, lamps, strict=True):
        card.words(x, y, lamp.upper(), bold=True)
    y = card.words(means, y, f"{BAR_S:g} s of what you see: black is lit", bold=True) + GAP
    for said in LampClass:
        shown: Sequence[Pattern] = (ON, OFF, OFF) if said is LampClass.FAULT else FACES[said]
        for x, lamp in zip(bars, lamps, strict=True):
            if said is LampClass.FAULT and lamp == ("alert" if "alert" in lamps else "live"):
                card.words(x, y, "a code", italic=True)
            else:
                card.bar(x, y, shown[LAMPS.index(lamp)], BAR_WIDTH, BAR_S)
        network = f"; {FAST.name} LINK: no network" if said is LampClass.FAULT and "link" in lamps else ""
        y = card.words(means, y, said.value + network) + GAP
    if "alert" in lamps:
        y = card.words(MARGIN, y, lamp_words.ACKNOWLEDGED) + GAP
    return y + GAP + LINE / 2


def _codes(card: _Card, y: float) -> float:
    y = card.words(MARGIN, y, "A code: count the short flashes", bold=True) + GAP
    for code, pattern in CODES.items():
        round_s = sum(pattern.steps_s)
        card.bar(MARGIN, y, pattern, CODE_WIDTH * round_s / CODE_S, round_s)
        y = card.words(MARGIN + CODE_WIDTH + 2.0, y, f"{int(code)} {lamp_words.CODE_WORDS[code]}", to_x=MIDDLE) + GAP
    return y + GAP + LINE / 2


def _languages(card: _Card, y: float, pairs: Sequence[str], lamps: int) -> float:
    x = MIDDLE + 4.0
    y = card.words(x, y, "A lamp for each language pair", bold=True) + GAP
    for pattern, words in lamp_words.LANGUAGE_WORDS.items():
        card.bar(x, y, pattern, BAR_WIDTH, BAR_S)
        y = card.words(x + BAR_WIDTH + 2.0, y, words) + GAP
    for place, pair in enumerate(pairs):
        card.words(x, y, language_lamp(place).upper() if place < lamps else "-", bold=True)
        y = card.words(x + 8.0, y, _short(pair, 26)) + GAP
    return y + GAP + LINE / 2


def _buttons(card: _Card, y: float, there: Collection[Button]) -> float:
    known = ""
    for button, gesture, means in button_words.rows(there):
        card.words(MARGIN, y, button if button != known else "", bold=True)
        card.words(MARGIN + 29.0, y, gesture)
        y = card.words(MARGIN + 58.0, y, means) + GAP
        known = button
    return y


class _Card:
    """A sheet that things are drawn on; `y` is the base of a line of text everywhere."""

    def __init__(self) -> None:
        self._root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "font-family": "sans-serif"})
        self._sheet = ET.SubElement(self._root, "rect", {"width": f"{WIDTH:g}", "fill": "white"})

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT,
        bold: bool = False,
        italic: bool = False,
        to_x: float = WIDTH - MARGIN,
    ) -> float:
        """Write it, in as many lines as it needs; where the next line begins."""
        style = (
            {"font-size": f"{size:g}"}
            | ({"font-weight": "bold"} if bold else {})
            | ({"font-style": "italic"} if italic else {})
        )
        for line in textwrap.wrap(text, int((to_x - x) / LETTER)):
            ET.SubElement(self._root, "text", {"x": f"{x:g}", "y": f"{y:.2f}", **style}).text = line
            y += LINE * size / TEXT
        return y

    def bar(self, x: float, y: float, pattern: Pattern, width: float, seconds: float) -> None:
        """What a lamp does in so many seconds, from left to right."""
        top, t_s = y - BAR_HEIGHT + 0.4, 0.0
        while t_s < seconds - EDGE_S:
            lit, left_s = pattern.at(t_s + EDGE_S)
            lasts_s = min(left_s + EDGE_S, seconds - t_s)
            if lit:
                self._box(x + width * t_s / seconds, top, width * lasts_s / seconds, fill="black")
            t_s += lasts_s
        self._box(x, top, width, fill="none")

    def text(self, height: float) -> str:
        """The SVG, this high at least."""
        height = max(HEIGHT, height + MARGIN)
        self._sheet.set("height", f"{height:g}")
        size = {"width": f"{WIDTH:g}mm", "height": f"{height:g}mm", "viewBox": f"0 0 {WIDTH:g} {height:g}"}
        self._root.attrib.update(size)
        ET.indent(self._root, " ")
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _box(self, x: float, y: float, width: float, *, fill: str) -> None:
        at = {"x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{width:.2f}", "height": f"{BAR_HEIGHT:g}"}
        ET.SubElement(self._root, "rect", {**at, "fill": fill, "stroke": "black", "stroke-width": "0.2"})


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
