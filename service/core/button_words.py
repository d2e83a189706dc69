"""The grammar of the buttons in words, made of the very meanings that gestures.py acts by."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from service.core.commands import AcknowledgeOrPrevious, Command, End, Identify, Mute, NextPair, ToggleLive
from service.core.gestures import CHORD, CHORD_MEANS, CHORD_S, HOLD_S, LATCH_S, MEANINGS, Button, Meaning

COMMAND_WORDS: dict[Command, str] = {
    NextPair(): "the next language pair",
    AcknowledgeOrPrevious(): "acknowledge while ALERT calls, else the pair before",
    ToggleLive(): "start, pause, resume; in a fault: try again now",
    End(): "end the session",
    Mute(): "mute, or mute no more",
    Identify(): "which box is it? LINK, LIVE and ALERT fast for 10 s",
}


def rows(there: Collection[Button] = tuple(Button)) -> list[tuple[str, str, str]]:
    """Button, gesture and what it asks for, of the buttons that are there."""
    found = [
        (button.name, *row) for button, meaning in MEANINGS.items() if button in there for row in _gestures(meaning)
    ]
    if all(button in there for button in CHORD):
        chord = " and ".join(button.name for button in CHORD)
        found.append((chord, f"hold {CHORD_S:g} s", COMMAND_WORDS[CHORD_MEANS]))
    return found


def _gestures(meaning: Meaning) -> Iterator[tuple[str, str]]:
    if meaning.press is not None:
        yield "press", COMMAND_WORDS[meaning.press]
    if meaning.tap is not None:
        yield "tap", COMMAND_WORDS[meaning.tap]
    if meaning.hold is not None:
        yield f"hold {HOLD_S:g} s", COMMAND_WORDS[meaning.hold]
    if meaning.late_release is not None:
        taken_back = meaning.late_release == meaning.press
        yield f"let go after {LATCH_S:g} s", "as it was" if taken_back else COMMAND_WORDS[meaning.late_release]
