"""What a demo's script says: "12 lang; 20 live-hold" is two presses, timed from the first LIVE."""

from __future__ import annotations

from dataclasses import dataclass

TAP_S, HOLD_S, CHORD_S = 0.1, 1.3, 3.3
# Which buttons are pressed, and for how long.
GESTURES = {
    "lang": (("lang",), TAP_S),
    "live": (("live",), TAP_S),
    "mute": (("mute",), TAP_S),
    "lang-hold": (("lang",), HOLD_S),
    "live-hold": (("live",), HOLD_S),
    "both-hold": (("lang", "live"), CHORD_S),
}


@dataclass(frozen=True, slots=True)
class Press:
    """A word pressed at a time, seconds after the first LIVE."""

    at_s: float
    word: str


def parse_script(text: str) -> list[Press]:
    """The presses in order of time. Raises ValueError with one sentence that names the part that is wrong."""
    presses = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        at, _, word = part.partition(" ")
        try:
            at_s = float(at)
        except ValueError:
            at_s = -1.0
        word = word.strip()
        if not 0 <= at_s < 86_400 or word not in GESTURES:
            raise ValueError(f'script: "{part}" is not SECONDS WORD, with a word of {", ".join(GESTURES)}')
        presses.append(Press(at_s, word))
    return sorted(presses, key=lambda press: press.at_s)
