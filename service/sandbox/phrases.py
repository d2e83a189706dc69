"""The phrases that the sandbox's interpreter knows, and the gate that tells them from anything else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import pairwise

from service.core.languages import base_code

SOURCE_LANGUAGE = "en"
GATE = 0.6  # phrases score 1.0, 160 clips on other topics at most 0.56 (tests/sandbox/test_recogniser.py)

_NO_WORD = re.compile(r"[^a-z']+")


def normalise(text: str) -> str:
    """English as the recogniser writes it: lower-case words, one space between, no punctuation but apostrophes."""
    return " ".join(_NO_WORD.sub(" ", text.lower().replace("’", "'")).split())


def bigrams(text: str) -> tuple[tuple[str, str], ...]:
    """Neighbouring words of a text, with the marks of its beginning and its end."""
    return tuple(pairwise(("<s>", *normalise(text).split(), "</s>")))


class PhraseBook:
    """Phrases with their translations. `rows` map language codes to texts; each row holds `en` and all the others.

    Raises ValueError when two phrases are the same once normalised, or a row lacks a language of the first row.
    """

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._rows: dict[str, Mapping[str, str]] = {}
        for row in rows:
            phrase = normalise(row[SOURCE_LANGUAGE])
            if phrase in self._rows:
                raise ValueError(f"phrase {phrase!r} stands there twice: remove one")
            if self._rows and row.keys() != next(iter(self._rows.values())).keys():
                raise ValueError(f"phrase {phrase!r} needs the same languages as the first phrase")
            self._rows[phrase] = row
        self._known = frozenset(pair for phrase in self._rows for pair in bigrams(phrase))
        self._shortest = min((len(phrase.split()) for phrase in self._rows), default=0)
        self.phrases = tuple(self._rows)  # English, normalised
        self.languages = tuple(code for code in next(iter(self._rows.values()), ()) if code != SOURCE_LANGUAGE)

    def words(self) -> frozenset[str]:
        """Every English word that occurs."""
        return frozenset(word for phrase in self.phrases for word in phrase.split())

    def translate(self, text: str, target: str) -> str | None:
        """What an interpreter says for a phrase, or for several without a pause between them; `target` may carry
        a region. None: some of it is not known, and nothing is guessed."""
        language = target if target in self.languages else base_code(target)
        phrases = self._split(tuple(normalise(text).split()))
        if not phrases or language not in self.languages:
            return None
        return " ".join(self._rows[phrase][language] for phrase in phrases)

    def _split(self, words: tuple[str, ...]) -> tuple[str, ...] | None:
        """The phrases that these words are, one after the other; None when they are not."""
        if not words:
            return ()
        for count in range(len(words), 0, -1):
            phrase = " ".join(words[:count])
            if phrase in self._rows and (rest := self._split(words[count:])) is not None:
                return (phrase, *rest)
        return None

    def share(self, text: str) -> float:
        """How much of a text could stem from the phrases: the share of its bigrams that occur in them, 0 to 1."""
        pairs = bigrams(text)
        return sum(pair in self._known for pair in pairs) / len(pairs)

    def accepts(self, text: str) -> bool:
        """The gate: whether a recogniser that knows only these phrases can be believed to have heard this text.

        A cough becomes one word, hardly ever three.
        """
        return len(normalise(text).split()) >= self._shortest and self.share(text) >= GATE


def load_phrases() -> PhraseBook:
    """The phrases of phrases.toml."""
    text = files("service.sandbox").joinpath("phrases.toml").read_text(encoding="utf-8")
    return PhraseBook(tomllib.loads(text)["phrase"])
