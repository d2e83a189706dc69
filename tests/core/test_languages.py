from service.core.languages import LanguagePair, Menu, language_of_track, match_target


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


def test_a_named_language_is_matched_exactly_then_by_base_then_by_being_alone():
    assert match_target("en-us", ("en", "en-us")) == "en-us"
    assert match_target("en-us", ("de", "en")) == "en"
    assert match_target("zh", ("zh-hans",)) == "zh-hans"
    assert match_target("pt", ("zh-hans",)) == "zh-hans"
    assert match_target("pt", ("es", "fr")) is None
