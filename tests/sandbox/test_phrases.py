import re
import tomllib
from importlib.resources import files
from itertools import combinations

import pytest

from service.sandbox.phrases import GATE, PhraseBook, load_phrases, normalise

ROWS = tomllib.loads(files("service.sandbox").joinpath("phrases.toml").read_text(encoding="utf-8"))["phrase"]
BOOK = load_phrases()
SMALL = PhraseBook(
    [
        {"en": "The sound is too low.", "es": "El sonido está demasiado bajo.", "de": "Der Ton ist zu leise."},
        {"en": "Who is against it?", "es": "¿Quién está en contra?", "de": "Wer ist dagegen?"},
        {"en": "Who is against it now?", "es": "¿Y ahora?", "de": "Und jetzt?"},
    ]
)
LETTERS = {  # what the language is written with, its punctuation included
    "en": r"[A-Za-z' ]+[.?]",
    "es": r"[A-Za-zÁÉÍÓÚáéíóúüñ ,:¿]+[.?]",
    "fr": r"[A-Za-zÀÉÈàâçéèêëîïôùûœ' ,:-]+(\.| \?)",
    "de": r"[A-Za-zÄÖÜäöüß ,:-]+[.?]",
    "it": r"[A-Za-zÈàèéìòù' ,:]+[.?]",
}


def words_apart(one: str, other: str) -> int:
    """How many words have to be put in, taken out or changed."""
    row = list(range(len(other.split()) + 1))
    for i, word in enumerate(one.split(), start=1):
        before, row[0] = row[0], i
        for j, other_word in enumerate(other.split(), start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other_word))
    return row[-1]


def test_there_are_enough_phrases_in_five_languages():
    assert len(BOOK.phrases) >= 135
    assert BOOK.languages == ("es", "fr", "de", "it")
    assert all(set(row) == {"en", "es", "fr", "de", "it"} for row in ROWS)


@pytest.mark.parametrize("language", LETTERS)
def test_every_text_is_one_sentence_in_its_alphabet_and_no_two_are_the_same(language):
    texts = [row[language] for row in ROWS]
    assert [text for text in texts if not re.fullmatch(LETTERS[language], text)] == []
    assert len(set(texts)) == len(texts)


def test_questions_are_questions_in_every_language():
    for row in ROWS:
        marks = {text.endswith("?") for language, text in row.items()}
        assert len(marks) == 1, row
        assert ("¿" in row["es"]) == row["es"].endswith("?")


def test_phrases_have_three_to_twelve_words_and_lie_two_words_apart():
    assert [phrase for phrase in BOOK.phrases if not 3 <= len(phrase.split()) <= 12] == []
    assert [pair for pair in combinations(BOOK.phrases, 2) if words_apart(*pair) < 2] == []


def test_the_recogniser_knows_every_word():
    pocketsphinx = pytest.importorskip("pocketsphinx")
    with open(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as dictionary:
        known = {line.split(maxsplit=1)[0] for line in dictionary}
    assert BOOK.words() - known == set()


def test_text_is_brought_to_the_recognisers_writing():
    assert normalise("  Don’t  worry, it's 5 o'clock! ") == "don't worry it's o'clock"


def test_a_phrase_is_translated_however_it_is_written():
    assert SMALL.translate("the sound is too low", "es") == "El sonido está demasiado bajo."
    assert SMALL.translate("The sound is TOO low!", "es-mx") == "El sonido está demasiado bajo."


def test_phrases_without_a_pause_between_them_are_translated_in_order():
    assert SMALL.translate("who is against it the sound is too low", "de") == "Wer ist dagegen? Der Ton ist zu leise."
    assert SMALL.translate("who is against it now the sound is too low", "de") == "Und jetzt? Der Ton ist zu leise."


@pytest.mark.parametrize("text", ["", "the sound is low", "the sound is too low too", "is against it", "ты"])
def test_nothing_is_guessed(text):
    assert SMALL.translate(text, "es") is None


@pytest.mark.parametrize("target", ["en", "ja", "esx"])
def test_there_is_nothing_in_other_languages(target):
    assert SMALL.translate("The sound is too low.", target) is None


def test_the_gate_believes_the_phrases_and_new_sentences_from_their_pieces():
    assert all(BOOK.share(phrase) == 1.0 for phrase in BOOK.phrases)
    assert BOOK.accepts("the sound is very good")
    assert BOOK.accepts("please close the meeting")
    assert BOOK.accepts("the guest comes from canada")


@pytest.mark.parametrize(
    "nonsense",  # what the recogniser made of English about cats, flowers and tables, in the order of their shares
    [
        "my can to leaves on the world solved you all day",
        "there was allow on clear in front of the day three",
        "i would like to take all for to you hear the we end of",
        "thank you for the low of we phones",
    ],
)
def test_the_gate_refuses_what_a_recogniser_makes_of_other_topics(nonsense):
    assert BOOK.share(nonsense) < GATE
    assert not BOOK.accepts(nonsense)


def test_the_gate_refuses_silence_and_single_words():
    assert not BOOK.accepts("")
    assert not any(BOOK.accepts(word) for word in BOOK.words())


def test_a_faulty_book_says_what_is_wrong():
    with pytest.raises(ValueError, match="'who is it' stands there twice"):
        PhraseBook([{"en": "Who is it?", "es": "¿Quién es?"}, {"en": "who is it", "es": "¿Quién?"}])
    with pytest.raises(ValueError, match="'no' needs the same languages"):
        PhraseBook([{"en": "Yes.", "es": "Sí."}, {"en": "No.", "fr": "Non."}])
