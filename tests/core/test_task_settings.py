import json
from pathlib import Path

from service.core import task_settings
from service.core.languages import LanguagePair

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
PLAIN = LanguagePair(name="Spanish", source="en", targets=("es",))
FULL = LanguagePair(
    name="Hall",
    source="auto",
    targets=("es", "de"),
    detectable=("en", "fr"),
    voice_id="default_high",
    hotwords_glossary_ids=("h1",),
    verification_glossary_ids=("v1",),
    translation_glossary_ids=("t1",),
    desired_queue_level_ms=6000,
    max_queue_level_ms=24000,
)


def golden(name: str) -> object:
    return json.loads((GOLDEN / f"{name}.json").read_text())["message"]


def test_each_command_is_written_as_documented():
    assert json.loads(task_settings.set_task(PLAIN)) == golden("set_task")
    assert json.loads(task_settings.set_task(FULL)) == golden("set_task_options")
    assert json.loads(task_settings.get_task()) == golden("get_task")
    assert json.loads(task_settings.pause_task()) == golden("pause_task")
    assert json.loads(task_settings.end_task()) == golden("end_task")


def test_the_minimal_task_keeps_the_languages_only():
    pipeline = json.loads(task_settings.set_task(FULL, minimal=True))["data"]["pipeline"]
    assert pipeline["transcription"] == {"source_language": "auto"}
    assert pipeline["translations"] == [{"target_language": "es"}, {"target_language": "de"}]
    assert "translation_queue_configs" not in pipeline


def test_only_a_pair_with_options_has_a_smaller_task():
    assert task_settings.has_options(FULL)
    assert not task_settings.has_options(PLAIN)
    assert not task_settings.has_options(LanguagePair("", "en", ("es",), detectable=("fr",)))  # not sent without auto
