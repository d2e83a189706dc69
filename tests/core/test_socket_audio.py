import json
from pathlib import Path

import pytest

from service.core import task_settings
from service.core.languages import LanguagePair
from service.core.messages import CloudError, CurrentTask, EndOfStream, QueueMap, TaskStatus
from service.core.socket_audio import Readiness, input_audio, over_socket

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
SPANISH = LanguagePair(name="Spanish", source="en", targets=("es",))
HALL = LanguagePair(name="Hall", source="en", targets=("es", "fr"), voice_id="default_high", max_queue_level_ms=9000)
STARTED = TaskStatus("set_task", "started", "running")
NOT_FOUND = CloudError("NOT_FOUND", "No active task found")


def golden(name: str) -> object:
    return json.loads((GOLDEN / f"{name}.json").read_text())["message"]


def test_a_task_gets_the_streams_of_the_socket_and_says_its_targets():
    command = over_socket(task_settings.set_task(SPANISH))
    assert json.loads(command.payload) == golden("set_task_socket")
    assert (command.kind, command.targets, command.max_queue_ms) == ("set_task", ("es",), 20_000)


def test_the_options_stay_and_bound_what_may_wait():
    asked = json.loads(task_settings.set_task(HALL))["data"]["pipeline"]
    command = over_socket(task_settings.set_task(HALL))
    assert json.loads(command.payload)["data"]["pipeline"] == asked
    assert (command.targets, command.max_queue_ms) == (("es", "fr"), 9000)


def test_of_queues_by_target_the_longest_bounds_what_may_wait():
    parts = (SPANISH, LanguagePair("French", "en", ("fr",), max_queue_level_ms=9000))
    assert over_socket(task_settings.set_task(LanguagePair("", "en", ("es", "fr"), parts=parts))).max_queue_ms == 20_000
    assert over_socket(task_settings.set_task(LanguagePair("", "en", ("fr",), parts=parts))).max_queue_ms == 9000


@pytest.mark.parametrize("command", [task_settings.get_task, task_settings.pause_task, task_settings.end_task])
def test_other_commands_go_as_they_are(command):
    assert over_socket(command()).payload == command()
    assert over_socket(command()).targets == ()


def test_sound_is_written_as_documented():
    assert json.loads(input_audio(b"\0\0\1\0\2\0")) == golden("input_audio_data")


@pytest.mark.parametrize(
    "story, ready",
    [
        ([], False),
        ([STARTED], False),  # somebody else's
        (["set_task"], False),
        (["set_task", NOT_FOUND], False),
        (["set_task", STARTED], True),
        (["set_task", TaskStatus("set_task", "started", None)], True),
        (["set_task", CurrentTask("running", "en", ("es",))], True),
        (["set_task", CurrentTask(None, "en", ("es",))], True),  # without a status: that it is there is enough
        (["set_task", CurrentTask("unknown", None, ())], False),
        (["set_task", QueueMap({})], False),
        (["set_task", STARTED, "get_task", "set_task"], True),  # a change does not interrupt
        (["set_task", STARTED, CloudError("VALIDATION_ERROR", "")], True),  # of a change: the old one runs on
        (["set_task", STARTED, "pause_task"], False),
        (["set_task", STARTED, "pause_task", CurrentTask(None, "en", ("es",))], False),
        (["set_task", STARTED, "pause_task", TaskStatus("pause_task", "paused", "paused"), "set_task"], False),
        (["set_task", STARTED, "pause_task", "set_task", TaskStatus("set_task", "resumed", "running")], True),
        (["set_task", STARTED, CurrentTask("paused", "en", ("es",))], False),
        (["set_task", STARTED, NOT_FOUND], False),
        (["set_task", STARTED, NOT_FOUND, "set_task", STARTED], True),
        (["set_task", STARTED, CloudError("SERVICE_TIMEOUT", "")], False),
        (["set_task", STARTED, "end_task"], False),
        (["set_task", STARTED, EndOfStream()], False),
    ],
)
def test_sound_is_wanted_while_the_cloud_says_that_the_task_runs(story, ready):
    readiness = Readiness()
    for step in story:
        if isinstance(step, str):
            readiness.said(step)
        else:
            readiness.heard(step)
    assert readiness.ready is ready
