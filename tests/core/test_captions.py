from service.core.captions import Captions
from service.core.messages import Transcription


def said(text: str, kind: str = "partial_transcription", id: str = "1", part: str | None = None) -> Transcription:
    return Transcription(kind, id, part, "en", text)


def test_a_partial_text_is_replaced_until_it_is_final():
    captions = Captions()
    first, second = captions.accept(said("good")), captions.accept(said("good day"))
    final = captions.accept(said("Good day.", "validated_transcription"))
    assert first and second and final
    assert first.line == second.line == final.line
    assert (first.final, second.final, final.final) == (False, False, True)
    assert captions.accept(said("good day everyone")) is None, "a late partial text would undo the final one"


def test_the_same_message_is_taken_once():
    captions = Captions()
    assert captions.accept(said("good"))
    assert captions.accept(said("good")) is None
    assert captions.accept(said("good", id="2"))


def test_parts_and_translations_are_lines_of_their_own():
    captions = Captions()
    kinds = [("validated_transcription", None), ("translated_transcription", "0"), ("translated_transcription", "1")]
    accepted = [captions.accept(said("Hello", kind, part=part)) for kind, part in kinds]
    assert len({caption.line for caption in accepted if caption}) == 3


def test_the_memory_is_bounded():
    captions = Captions(limit=2)
    for text in ("a", "b", "c"):
        assert captions.accept(said(text))
    assert captions.accept(said("c")) is None
    assert captions.accept(said("a")), "forgotten, so taken for new"


def test_what_people_said_is_in_no_repr():
    caption = Captions().accept(said("a secret"))
    assert "secret" not in repr(caption)
