import pytest
from pydantic import ValidationError

from service.core.languages import LanguagePair
from service.settings.model import Pair, Session, Settings


def test_a_pair_becomes_the_cores_word():
    pair = Pair.model_validate(
        {
            "name": "Guests",
            "source": "AUTO",
            "targets": ["EN-us", "zh-Hans"],
            "detectable_languages": ["de", "FR"],
            "voice_id": "v",
            "hotwords_glossaries": ["h"],
            "verification_glossaries": ["c1", "c2"],
            "translation_glossaries": ["t"],
            "desired_queue_level": "2.5s",
            "max_queue_level": "1m",
        }
    )
    assert pair.language_pair() == LanguagePair(
        name="Guests",
        source="auto",
        targets=("en-us", "zh-hans"),
        detectable=("de", "fr"),
        voice_id="v",
        hotwords_glossary_ids=("h",),
        verification_glossary_ids=("c1", "c2"),
        translation_glossary_ids=("t",),
        desired_queue_level_ms=2500,
        max_queue_level_ms=60_000,
    )


def test_one_target_is_a_tuple_of_one():
    pair = Pair.model_validate({"name": "a", "source": "en", "target": "es"})
    assert pair.language_pair() == LanguagePair(name="a", source="en", targets=("es",))


def test_units_are_in_the_names():
    settings = Settings()
    assert settings.palabra.request_timeout_s == 10.0
    assert settings.session.end_timeout_s == 2.0
    assert settings.session.transport_fallback_after_s == 20.0
    assert settings.audio.output.playout_min_ms == 20
    assert settings.menu().pairs == ()


@pytest.mark.parametrize("transport", ["auto", "webrtc", "websocket"])
def test_each_transport_can_be_chosen(transport):
    session = Session.model_validate({"transport": transport, "transport_fallback_after": "1m"})
    assert (session.transport, session.transport_fallback_after_s) == (transport, 60.0)


@pytest.mark.parametrize("wrong", [{"transport": "tcp"}, {"transport_fallback_after": "1s"}])
def test_other_transports_and_times_are_refused(wrong):
    with pytest.raises(ValidationError):
        Session.model_validate(wrong)


def test_an_idle_pause_is_half_a_minute_to_an_hour():
    idle = {"idle_pause_after": "30s"}
    assert Settings.model_validate({"session": idle}).session.idle_pause_after_s == 30.0
    for wrong in ("29s", "2h", 30):
        with pytest.raises(ValidationError):
            Session.model_validate({"idle_pause_after": wrong})


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Settings().box.name = "other"


def test_the_processes_environment_is_not_read_behind_the_callers_back(monkeypatch):
    monkeypatch.setenv("BOOTHD_BOX", '{"name": "from outside"}')
    monkeypatch.setenv("schema", "7")
    assert Settings().box.name == "boothd"
