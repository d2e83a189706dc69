"""The real ears on speech: the bundled recording always, fresh sentences where flite or espeak-ng is installed."""

import runpy
import time

import numpy as np
import pytest

from service.sandbox.loudness import NoRecogniser
from service.sandbox.phrases import GATE, load_phrases
from service.sandbox.resample import resample
from service.sandbox.transcriber import Transcriber
from service.sandbox.voices import Voices
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes import speech
from tests.fakes.speech import at_gain, flite, heard, needs_espeak, needs_flite, recorded, sentences, silence

pytest.importorskip("pocketsphinx")
from service.sandbox.recogniser import PhraseRecogniser, phrase_endpointer  # noqa: E402

BOOK = load_phrases()
# None of them was used to tune anything.
OFF_TOPIC = """
My cat sleeps on the old sofa all day. | Yesterday we bought fresh tomatoes at the market.
The train to London was delayed because of heavy snow. | She painted the kitchen wall bright yellow.
Would you like some more soup with your bread? | The football match ended without a single goal.
I forgot my umbrella at the restaurant again. | Their garden is full of roses and small birds.
He repaired the bicycle with a rusty hammer. | Winter is coming and the lake will freeze soon.
Put the flour into a bowl and stir in the butter. | The price of oil dropped sharply on Monday.
Volcanoes erupt when pressure builds beneath the crust. | My grandmother plays chess every Sunday afternoon.
The film was long and rather boring. | A tall man in a grey coat was waiting outside.
We should water the plants before we travel. | The engine makes a strange noise when it is cold.
Children love chocolate and hate spinach. | Parliament rejected the tax bill by a narrow margin.
The river flooded three villages last spring. | I would like a table for two near the window.
Can you tell me the way to the railway station? | It is raining again in the mountains.
The doctor told him to drink more water. | Our dog barks at the postman every morning.
You have to press the green button twice. | The students wrote an essay about medieval history.
Satellites measure the temperature of the oceans. | There was a long queue in front of the bakery.
I am going to the beach with my sister. | The carpenter built a wooden bridge across the stream.
Please pass me the salt and the pepper. | She has been learning the violin for three years.
We have no milk left in the fridge. | The judge sentenced the thief to two years in prison.
Let us go swimming after dinner. | Thank you for the lovely flowers.
The moon is about four hundred thousand kilometres away. | Bananas grow in warm and humid countries.
"""
OFF_TOPIC_SENTENCES = [sentence.strip() for sentence in OFF_TOPIC.replace("\n", "|").split("|") if sentence.strip()]


@pytest.fixture
def recogniser():
    """A fresh one: it goes on learning how the speaker sounds, and would bring that from one test to the next."""
    return PhraseRecogniser(BOOK)


@pytest.fixture
def transcriber(recogniser):
    return Transcriber(endpointer=phrase_endpointer(), recogniser=recogniser)


def through_opus(pcm: bytes) -> bytes:
    """As it arrives from the box: 32 kbit/s."""
    encoder, decoder = OpusEncoder(), OpusDecoder()
    frames = [decoder.decode(encoder.encode(pcm[at : at + 1920])) for at in range(0, len(pcm) - 1919, 1920)]
    samples = np.frombuffer(b"".join(frames), np.float32)
    return (samples * 32767).round().clip(-32768, 32767).astype("<i2").tobytes()


def faster(pcm: bytes, factor: float) -> bytes:
    """Faster and higher, as a tape would be."""
    return resample(pcm, from_hz=round(48_000 * factor), to_hz=48_000)


def in_stereo(pcm: bytes) -> bytes:
    """As a WAV of 44.1 kHz with two channels, one of them quieter, would come through line-in."""
    mono = np.frombuffer(resample(pcm, from_hz=48_000, to_hz=44_100), "<i2").astype(float)
    stereo = np.stack([mono, 0.5 * mono]).mean(axis=0)
    return resample(stereo.astype("<i2").tobytes(), from_hz=44_100, to_hz=48_000)


def test_the_recording_is_understood_but_for_the_sentence_on_another_topic(transcriber):
    got = heard(transcriber, recorded())
    assert [utterance.text for utterance in got] == speech.PHRASES
    assert [utterance.understood for utterance in got] == [known for *_, known in speech.SPOKEN]
    for utterance, (at_s, *_), end_s in zip(got, speech.SPOKEN, speech.ENDS_S, strict=True):
        assert utterance.start_s == pytest.approx(at_s, abs=0.1)
        assert utterance.end_s == pytest.approx(end_s, abs=0.2)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(through_opus, id="opus"),
        pytest.param(in_stereo, id="stereo-44.1-kHz"),
        pytest.param(lambda pcm: at_gain(pcm, 0.2), id="14-dB-quieter", marks=pytest.mark.slow),
        pytest.param(lambda pcm: at_gain(pcm, 4.0), id="12-dB-louder", marks=pytest.mark.slow),
        pytest.param(lambda pcm: faster(pcm, 0.9), id="slower", marks=pytest.mark.slow),
        pytest.param(lambda pcm: faster(pcm, 1.12), id="faster", marks=pytest.mark.slow),
    ],
)
def test_the_recording_is_understood_on_every_road(transcriber, change):
    assert [utterance.text for utterance in heard(transcriber, change(recorded()))] == speech.PHRASES


def test_an_utterance_is_told_within_half_a_second_of_sound(transcriber):
    told_s, sound = [], recorded() + silence(1.0)
    for at in range(0, len(sound), 1920):
        told_s += [(at + 1920) / 96_000 for _ in speech.utterances(transcriber.feed(sound[at : at + 1920]))]
    waits_s = np.array(told_s) - speech.ENDS_S
    assert waits_s.max() < 0.5
    assert waits_s.mean() < 0.42  # vad_mode 0 and 1: 0.46; a window of 500 ms: 0.55


# The four things that had to be right.


def test_1_the_end_costs_next_to_nothing(recogniser):
    pcm = resample(sentences()[2], from_hz=48_000, to_hz=16_000)
    recogniser.begin()
    recogniser.hear(bytes(9600))
    recogniser.end()  # the first one is heard twice
    recogniser.begin()
    began_s = time.thread_time()
    recogniser.hear(pcm)
    heard_s = time.thread_time()
    assert recogniser.end() == speech.PHRASES[2]
    ended_s = time.thread_time()
    assert (ended_s - heard_s) < 0.1 * (heard_s - began_s)  # 0.006; with fwdflat 0.48


def test_1_the_decoder_takes_no_for_no(recogniser):
    assert [recogniser._decoder.config[name] for name in ("fwdflat", "bestpath")] == [False, False]


@pytest.mark.parametrize("place", [1, 5])  # "please ..." and "the ...": with 60 ms of lead-in both are lost
def test_2_the_first_word_is_not_lost(transcriber, place):
    (utterance,) = heard(transcriber, silence(0.5) + at_gain(sentences()[place], 0.3))
    assert utterance.text == speech.PHRASES[place]


def test_3_the_gate_lies_between_the_phrases_and_the_rest(recogniser, monkeypatch):
    shares = []
    monkeypatch.setattr(BOOK, "accepts", lambda text: shares.append(BOOK.share(text)) or True)
    heard(Transcriber(endpointer=phrase_endpointer(), recogniser=recogniser), sentences()[3] + silence(0.5))
    assert shares[-1] < GATE - 0.1
    heard(Transcriber(endpointer=phrase_endpointer(), recogniser=recogniser), sentences()[2] + silence(0.5))
    assert shares[-1] == 1.0


def test_4_sentences_close_together_stay_apart():
    endpointer, ends = phrase_endpointer(), 0
    sound = b"".join(sentence + silence(0.8) for sentence in sentences() * 2)
    pcm = resample(sound, from_hz=48_000, to_hz=16_000)
    for at in range(0, len(pcm) - 959, 960):
        ends += endpointer.process(pcm[at : at + 960]) is not None and not endpointer.in_speech
    assert ends == 14  # vad_mode 0 and 1: 10


def test_sentences_stay_apart_in_digital_silence_too():
    transcriber = Transcriber(endpointer=phrase_endpointer(), recogniser=NoRecogniser())
    sound = b"".join(at_gain(sentence, 0.3) + silence(0.8) for sentence in sentences() * 4)
    assert len(heard(transcriber, sound)) == 28  # without the hiss 22


def test_the_first_phrase_is_understood_at_any_level(recogniser):
    for gain in (0.2, 0.3, 1.0):
        transcriber = Transcriber(endpointer=phrase_endpointer(), recogniser=PhraseRecogniser(BOOK))
        sound = silence(0.5) + at_gain(sentences()[4], gain)
        assert [utterance.text for utterance in heard(transcriber, sound)] == [
            speech.PHRASES[4]
        ]  # heard once: not at 0.2 and 0.3


def test_nothing_to_hear_is_no_error(recogniser):
    recogniser.begin()
    recogniser.hear(b"")
    assert recogniser.end() is None


def test_two_phrases_in_one_breath_are_both_translated(transcriber):
    one_breath = sentences()[1] + silence(0.1) + sentences()[4]
    (utterance,) = heard(transcriber, silence(0.5) + one_breath)
    spanish = "Por favor, tomen asiento. ¿Hay alguna pregunta del público?"
    assert BOOK.translate(utterance.text, "es") == spanish


def test_noises_are_no_phrases(transcriber):
    rng = np.random.default_rng(3)
    moments = np.arange(48_000 * 2) / 48_000
    noise = rng.normal(0.0, 3000.0, len(moments))
    chord = 4000.0 * sum(np.sin(2 * np.pi * hz * moments) for hz in (220, 277, 330))
    knocks = np.where(moments % 0.5 < 0.1, noise * 3, 0.0)
    for sound in (noise, chord, knocks):
        pcm = sound.clip(-32768, 32767).astype("<i2").tobytes()
        assert not any(utterance.understood for utterance in heard(transcriber, silence(0.5) + pcm + silence(0.5)))


@needs_espeak
@pytest.mark.parametrize("language", BOOK.languages)
async def test_other_languages_are_never_interpreted(transcriber, language):
    """Every tenth of them passes the gate, as words in a row that nobody says; no phrase comes of it."""
    voices = Voices()
    for phrase in BOOK.phrases[::40]:
        spoken = await voices.speak(str(BOOK.translate(phrase, language)), language)
        for utterance in heard(transcriber, spoken + silence(0.8)):
            assert BOOK.translate(utterance.text, "es") is None


@needs_flite
@pytest.mark.parametrize(("voice", "stretch"), [("awb", 1.0), ("kal16", 1.0), ("rms", 0.85), ("slt", 1.2)])
def test_other_voices_and_speeds_are_understood(transcriber, voice, stretch):
    phrases = ["i give the floor to our first speaker", "science knows no borders", "please raise your hand"]
    got = heard(transcriber, b"".join(flite(phrase, voice, stretch) for phrase in phrases))
    assert [utterance.text for utterance in got] == phrases


@needs_flite
def test_fresh_speech_on_other_topics_is_refused(transcriber):
    sound = b"".join(flite(sentence, "rms") for sentence in OFF_TOPIC_SENTENCES[:6])
    got = heard(transcriber, sound)
    assert len(got) == 6
    assert not any(utterance.understood for utterance in got)


@needs_flite
def test_the_recording_can_be_made_again():
    made = runpy.run_path(str(speech.MAKER))["recording"]()
    kept = np.frombuffer(resample(recorded(), from_hz=48_000, to_hz=16_000), np.int16)
    assert len(kept) == len(made) == 25 * 16_000
    assert np.corrcoef(kept, made)[0, 1] > 0.99


@needs_flite
@pytest.mark.slow
@pytest.mark.parametrize("voice", ["rms", "slt", "awb", "kal16"])
def test_all_phrases_in_four_voices(transcriber, voice):
    texts = [utterance.text for phrase in BOOK.phrases for utterance in heard(transcriber, flite(phrase, voice))]
    assert len(texts) == len(BOOK.phrases)
    exact = sum(text == phrase for text, phrase in zip(texts, BOOK.phrases, strict=True))
    assert exact >= 0.95 * len(BOOK.phrases)


@needs_flite
@pytest.mark.slow
@pytest.mark.parametrize("voice", ["rms", "slt", "awb", "kal16"])
def test_no_fresh_sentence_passes_the_gate(transcriber, voice):
    sound = b"".join(flite(sentence, voice) for sentence in OFF_TOPIC_SENTENCES)
    assert [utterance.text for utterance in heard(transcriber, sound) if utterance.understood] == []
