import pytest

from service.core.languages import LanguagePair, Menu, language_of_track, pair_named, parse_code, pick_track


def pair(name: str) -> LanguagePair:
    return LanguagePair(name=name, source="en", targets=(name,))


def test_menu_goes_round():
    menu = Menu((pair("es"), pair("fr")))
    assert menu.after(pair("es")) == pair("fr")
    assert menu.after(pair("fr")) == pair("es")


def test_track_names():
    assert language_of_track("translation_es") == "es"
    assert language_of_track("Translation_en-US") == "en-us"
    assert language_of_track("microphone") is None


def test_a_track_is_picked_by_its_code_then_by_base_then_by_being_alone():
    assert pick_track("en-us", ("en", "en-us")) == "en-us"
    assert pick_track("en", ("de", "en-us")) == "en-us"
    assert pick_track("zh", ("yue",)) == "yue"
    assert pick_track("pt", ("es", "fr")) is None
    assert pick_track("pt", ()) is None
    assert pick_track("fr", ("es",), others=("es-mx", "fr")) is None  # what was heard before the button
    assert pick_track("zh", ("yue",), others=("es", "zh")) == "yue"


def test_a_variant_of_the_language_that_is_a_choice_of_its_own_is_not_taken_for_it():
    known = ("pt", "pt-br", "en", "en-us", "es-mx")
    assert pick_track("pt", ("pt-br",), others=known) is None  # of before the button
    assert pick_track("pt", ("pt-br", "pt"), others=known) == "pt"
    assert pick_track("pt-br", ("pt",), others=known) is None
    assert pick_track("es-mx", ("es",), others=known) == "es"
    assert pick_track("en", ("en-us", "fr"), others=known) == "en-us"  # what the cloud calls it


def test_an_echo_names_a_pair_word_for_word_or_as_the_cloud_fills_it_in():
    es, en, zh = pair("es"), pair("en"), pair("zh")
    assert pair_named("en", ("es",), (en, es)) == es
    assert pair_named("en", ("en-us",), (es, en)) == en
    assert pair_named("en", ("zh-hans",), (zh,)) == zh
    assert pair_named("en", ("fr",), (es, en)) is None
    assert pair_named("de", ("es",), (es,)) is None
    assert pair_named(None, (), (es, en)) == es


def test_a_source_may_lose_its_region_and_a_target_may_not():
    british = LanguagePair(name="", source="en-gb", targets=("pt-br",))
    assert pair_named("en", ("pt-br",), (british,)) == british
    assert pair_named("en", ("pt",), (british,)) is None


def test_the_echo_of_an_old_pair_is_not_taken_for_a_wider_new_one():
    old, new = pair("pt-br"), pair("pt")
    assert pair_named("en", ("pt-br",), (new, old)) == old
    assert pair_named("en", ("pt",), (new, old)) == new


def test_several_targets_are_compared_in_any_order_and_number():
    both = LanguagePair(name="", source="en", targets=("es", "en"))
    assert pair_named("en", ("en-us", "es"), (both,)) == both
    assert pair_named("en", ("es",), (both,)) is None
    assert pair_named("en", ("es", "es"), (both,)) is None


@pytest.mark.parametrize(("text", "code"), [("en", "en"), ("EN-us", "en-us"), ("zh-Hans", "zh-hans"), ("yue", "yue")])
def test_codes_are_lower_cased(text, code):
    assert parse_code(text) == code


@pytest.mark.parametrize(
    ("text", "remedy"),
    [("vn", '"vi"'), ("JP", '"ja"'), ("en_US", '"en-us"'), ("english", '"zh-hans"'), ("", '"en"'), ("en\n", '"en"')],
)
def test_what_is_no_code_is_refused_with_what_to_write(text, remedy):
    with pytest.raises(ValueError, match=remedy):
        parse_code(text)
