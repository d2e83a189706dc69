import sys

import pytest

from service.sandbox.engines import installed
from service.sandbox.loudness import LoudnessEndpointer, NoRecogniser
from service.sandbox.phrases import load_phrases

BOOK = load_phrases()


@pytest.fixture
def no_pocketsphinx(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    monkeypatch.delitem(sys.modules, "service.sandbox.recogniser", raising=False)


@pytest.fixture
def espeak_ng(monkeypatch, tmp_path):
    """Puts a folder with an espeak-ng, or without, in the place of PATH."""

    def there(is_there: bool) -> None:
        if is_there:
            (tmp_path / "espeak-ng").touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return there


def test_with_everything_it_is_the_phrase_interpreter(espeak_ng):
    pytest.importorskip("pocketsphinx")
    espeak_ng(True)
    engines = installed(BOOK)
    assert engines.mode == (
        f"phrase interpreter: {len(BOOK.phrases)} English phrases, spoken in es, fr, de, it;"
        " anything else is repeated in the channel's voice"
    )
    recogniser = engines.recogniser()
    recogniser.begin()
    assert recogniser.end() is None
    assert not engines.endpointer().in_speech
    assert engines.recogniser() is not recogniser


def test_without_espeak_ng_phrases_are_captioned_only(espeak_ng):
    pytest.importorskip("pocketsphinx")
    espeak_ng(False)
    mode = installed(BOOK).mode
    assert "not spoken: espeak-ng is missing (install the Debian package espeak-ng)" in mode


@pytest.mark.parametrize("speaks", [True, False])
def test_without_pocketsphinx_it_is_an_echo(no_pocketsphinx, espeak_ng, speaks):
    espeak_ng(speaks)
    engines = installed(BOOK)
    assert engines.mode.startswith("echo: no phrase is understood: pocketsphinx")
    assert ("espeak-ng" in engines.mode) == (not speaks)
    assert isinstance(engines.endpointer(), LoudnessEndpointer)
    assert isinstance(engines.recogniser(), NoRecogniser)


def test_the_mode_is_one_line_and_never_speaks_of_translation(espeak_ng):
    espeak_ng(False)
    assert "\n" not in installed(BOOK).mode
    assert "translat" not in installed(BOOK).mode
