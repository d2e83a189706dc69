import json
from dataclasses import replace

import pytest

from service.core import task_settings
from service.core.languages import LanguagePair, Menu
from service.core.switching import Conflict, Switching, conflicts

ES = LanguagePair("EN to ES", "en", ("es",), voice_id="low", translation_glossary_ids=("g1",))
FR = LanguagePair("EN to FR", "en", ("fr",), voice_id="high")
BOTH = LanguagePair("EN to FR, DE", "en", ("fr", "de"), voice_id="high")
BACK = LanguagePair("ES to EN", "es", ("en",))
MENU = Menu((ES, FR, BOTH, BACK))


def test_a_pair_is_its_own_task_unless_all_of_its_source_are_one():
    assert [Switching(MENU).asked(pair) for pair in MENU.pairs] == list(MENU.pairs)
    at_once = Switching(MENU, instant=True)
    task = at_once.asked(ES)
    assert task == at_once.asked(FR) == at_once.asked(BOTH) and task.targets == ("es", "fr", "de")
    assert at_once.asked(BACK) == BACK


def test_every_target_keeps_its_own_options():
    task = Switching(MENU, instant=True).asked(FR)
    settings = json.loads(task_settings.set_task(task))["data"]["pipeline"]["translations"]
    assert [each["target_language"] for each in settings] == ["es", "fr", "de"]
    assert [each["speech_generation"]["voice_id"] for each in settings] == ["low", "high", "high"]
    assert ["allowed_translation_glossary_ids" in each for each in settings] == [True, False, False]
    assert task_settings.has_options(task)


def test_every_target_keeps_its_own_queue():
    menu = Menu((replace(ES, desired_queue_level_ms=500, max_queue_level_ms=2000), FR))
    sent = json.loads(task_settings.set_task(Switching(menu, instant=True).asked(FR)))["data"]["pipeline"]
    assert sent["translation_queue_configs"] == {"es": {"desired_queue_level_ms": 500, "max_queue_level_ms": 2000}}


@pytest.mark.parametrize(
    ("instant", "task", "wanted", "before", "heard"),
    [
        (False, None, ES, ES, None),
        (False, ES, ES, None, ES),
        (False, ES, FR, ES, ES),  # not confirmed yet
        (False, FR, ES, ES, FR),  # the cloud runs what nobody wants any more
        (True, None, ES, ES, None),
        (True, "en", FR, ES, FR),  # at once
        (True, "en", BACK, FR, FR),  # another source is the cloud's to change
        (True, "en", BACK, None, ES),
        (True, BACK, ES, BACK, BACK),
    ],
)
def test_what_is_heard_while_a_task_runs(instant, task, wanted, before, heard):
    switching = Switching(MENU, instant=instant)
    assert switching.heard(switching.asked(ES) if task == "en" else task, wanted, before) == heard


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"voice_id": "other"}, []),  # of another target
        ({"hotwords_glossary_ids": ("h",)}, [Conflict(1, "hotwords_glossaries", "EN to ES")]),
        ({"max_queue_level_ms": 5}, []),  # the same
        (
            {"targets": ("fr", "es")},
            [Conflict(1, "voice_id", "EN to ES"), Conflict(1, "translation_glossaries", "EN to ES")],
        ),
        (
            {"targets": ("es",), "max_queue_level_ms": 5, "voice_id": "low", "translation_glossary_ids": ("g1",)},
            [Conflict(1, "max_queue_level", "EN to ES")],
        ),
        ({"source": "fr", "max_queue_level_ms": 5}, []),
    ],
)
def test_pairs_that_cannot_be_one_task_are_named(changed, found):
    assert list(conflicts(Menu((ES, replace(FR, **changed))))) == found
