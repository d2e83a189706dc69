"""What the README says of lamps and buttons is what they do: its tables are those of the program."""

from pathlib import Path

import pytest

from service.core import button_words, lamp_words
from service.core.lamps import FAST, SLOW

README = (Path(__file__).parents[1] / "README.md").read_text()


def table(head: tuple[str, ...], rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---").replace("--- |", "---|")


@pytest.mark.parametrize(
    "expected",
    [
        table(("LINK", "LIVE", "ALERT", "means"), lamp_words.rows()),
        table(("code", "means"), [(f"{int(code)}", words) for code, words in lamp_words.CODE_WORDS.items()]),
        table(
            ("lamp of a language pair", "means"),
            [(pattern.name, words) for pattern, words in lamp_words.LANGUAGE_WORDS.items()],
        ),
        table(("button", "gesture", "asks for"), button_words.rows()),
        *(f"{pattern.name}: {lamp_words.PATTERN_WORDS[pattern]}; " for pattern in (SLOW, FAST)),
        lamp_words.ACKNOWLEDGED,
    ],
    ids=["lamps", "codes", "languages", "buttons", "slow", "fast", "acknowledged"],
)
def test_the_readme_has_it_word_for_word(expected):
    assert f"\n{expected}" in README if expected.startswith("|") else expected in README
