"""Which engines are installed, and what the interpreter can do with them; nobody else imports pocketsphinx."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.sandbox.loudness import LoudnessEndpointer, NoRecogniser
from service.sandbox.phrases import PhraseBook
from service.sandbox.transcriber import Endpointer, Recogniser
from service.sandbox.voices import can_speak


@dataclass(frozen=True, slots=True)
class Engines:
    """Makers of one booth's engines, and one sentence that says which mode they give."""

    endpointer: Callable[[], Endpointer]
    recogniser: Callable[[], Recogniser]
    mode: str


def installed(book: PhraseBook) -> Engines:
    """The engines of this machine: the phrase interpreter's, or what stands in for them."""
    try:
        from service.sandbox.recogniser import PhraseRecogniser, phrase_endpointer
    except ImportError:
        return Engines(LoudnessEndpointer, NoRecogniser, _mode(book, recognises=False, speaks=can_speak()))
    mode = _mode(book, recognises=True, speaks=can_speak())
    return Engines(phrase_endpointer, lambda: PhraseRecogniser(book), mode)


def _mode(book: PhraseBook, *, recognises: bool, speaks: bool) -> str:
    know = f"phrase interpreter: {len(book.phrases)} English phrases"
    repeat = "repeated in the channel's voice"
    match recognises, speaks:
        case True, True:
            return f"{know}, spoken in {', '.join(book.languages)}; anything else is {repeat}"
        case True, False:
            missing = "espeak-ng is missing (install the Debian package espeak-ng)"
            return f"{know}, captioned in {', '.join(book.languages)} but not spoken: {missing}; all speech is {repeat}"
        case False, True:
            missing = "pocketsphinx is missing (install the Python package pocketsphinx)"
        case _:
            missing = "pocketsphinx (a Python package) and espeak-ng (a Debian package) are missing, install both"
    return f"echo: no phrase is understood: {missing}; all speech is {repeat}"
