"""The management API of one session, driven by hand; decoded by the box's own eyes."""

import json
import random

import pytest

from service.core import messages, task_settings
from service.core.languages import LanguagePair
from service.core.messages import CloudError, CloudWarning, CurrentTask, EndOfStream, QueueLevel, QueueMap, TaskStatus
from service.sandbox.languages import SOURCES, TARGETS
from service.sandbox.management import ManagementTask, State
from service.sandbox.orders import Close, Heard, Interrupt, Outgoing, Pause, Run, Said, Speak, Stop

ES = LanguagePair(name="", source="en", targets=("es",))
FR = LanguagePair(name="", source="en", targets=("fr",))
FULL = LanguagePair(
    "",
    "auto",
    ("es", "de"),
    ("en",),
    "default_high",
    ("h",),
    ("v",),
    ("t",),
    desired_queue_level_ms=1,
    max_queue_level_ms=2,
)
NOT_FOUND = CloudError("NOT_FOUND", "No active task found")


def status(command: str, event: str, task_status: str = "running") -> TaskStatus:
    return TaskStatus(command, event, task_status)


class Desk:
    """A session, a clock that ticks ten times a second, and what came out since it was asked last."""

    def __init__(self, *, generation: str = "D", ready: bool = True, **faults: str) -> None:
        self.faults = {name.replace("_", "-"): value for name, value in faults.items()}
        self.now_s = 0.0
        self.task = ManagementTask(generation=generation, fault=self.faults.get)
        self.came: list[object] = []
        if ready:
            self.say(task_settings.set_task(ES))
            self.until(3.5)
            self.came.clear()

    def say(self, message: bytes | str, *, may_command: bool = True) -> list[object]:
        self.note(self.task.receive(message, self.now_s, sender="box", may_command=may_command))
        came, self.came = self.came, []
        return came

    def tell(self, kind: str, **data: object) -> list[object]:
        return self.say(json.dumps({"message_type": kind, "data": data}))

    def until(self, now_s: float, *, sound: bool = True) -> list[object]:
        while self.now_s < now_s:
            self.now_s = round(self.now_s + 0.1, 1)
            if sound:
                self.task.input_heard(self.now_s)
            self.note(self.task.tick(self.now_s))
        came, self.came = self.came, []
        return came

    def note(self, output: list) -> None:
        self.came += [messages.decode(one.payload) if isinstance(one, Outgoing) else one for one in output]


def maps(came: list[object]) -> list[object]:
    return [message for message in came if isinstance(message, QueueMap)]


def but_maps(came: list[object]) -> list[object]:
    return [message for message in came if not isinstance(message, QueueMap)]


def test_a_task_is_not_found_until_it_is_ready_and_then_runs():
    desk = Desk(ready=False)
    assert desk.say(task_settings.set_task(ES)) == []
    desk.until(0.4)
    assert desk.say(task_settings.get_task()) == [NOT_FOUND]
    run, started = but_maps(desk.until(1.0))
    assert isinstance(run, Run) and (run.source, run.targets) == ("en", ("es",))
    assert started == status("set_task", "started")
    desk.until(2.5)
    assert desk.say(task_settings.get_task()) == [CurrentTask("running", "en", ("es",))]


@pytest.mark.parametrize("generation", "BC")
def test_older_generations_acknowledge_nothing(generation):
    desk = Desk(generation=generation, ready=False)
    assert desk.say(task_settings.set_task(ES)) == []
    assert [type(message) for message in but_maps(desk.until(3.5))] == [Run]
    assert desk.say(task_settings.pause_task()) == [Pause()]
    expected = None if generation == "B" else "paused"
    assert desk.say(task_settings.get_task()) == [CurrentTask(expected, "en", ("es",))]


def test_sdk_0_6_11_is_answered_one_second_after_its_set_task():
    desk = Desk(ready=False)
    desk.say(task_settings.set_task(ES))
    desk.until(1.0)
    assert desk.say(task_settings.get_task()) == [CurrentTask("running", "en", ("es",))]


def test_changes_are_acknowledged_by_what_they_do():
    desk = Desk()
    assert desk.say(task_settings.set_task(ES)) == [status("set_task", "unchanged")]
    desk.until(6)
    run, updated = desk.say(task_settings.set_task(FR))
    assert isinstance(run, Run) and run.targets == ("fr",)
    assert updated == status("set_task", "updated")
    assert desk.say(task_settings.pause_task()) == [Pause(), status("pause_task", "paused", "paused")]
    desk.until(9)
    run, resumed = desk.say(task_settings.set_task(FR))
    assert isinstance(run, Run) and resumed == status("set_task", "resumed")


def test_a_paused_task_can_be_made_to_take_its_time_to_run_again():
    desk = Desk(resume_delay="1.5")
    desk.say(task_settings.pause_task())
    assert desk.say(task_settings.set_task(ES)) == []
    assert desk.until(4.9) == []
    run, resumed, *_ = desk.until(5.1)
    assert isinstance(run, Run) and resumed == status("set_task", "resumed")


def test_defaults_written_out_change_nothing_and_the_order_of_targets_does():
    desk = Desk()
    full = json.loads(task_settings.set_task(ES))
    full["data"]["pipeline"]["transcription"]["sentence_splitter"] = {"enabled": True}
    full["data"]["pipeline"]["translations"][0]["style"] = None
    assert desk.say(json.dumps(full)) == [status("set_task", "unchanged")]
    two = LanguagePair(name="", source="en", targets=("es", "fr"))
    desk.until(6)
    desk.say(task_settings.set_task(two))
    desk.until(9)
    run, updated = desk.say(task_settings.set_task(LanguagePair(name="", source="en", targets=("fr", "es"))))
    assert isinstance(run, Run) and updated == status("set_task", "updated")


def test_languages_are_named_as_the_service_does():
    desk = Desk(ready=False)
    desk.say(task_settings.set_task(LanguagePair(name="", source="en-us", targets=("en", "zh", "pt-br"))))
    desk.until(1)
    assert desk.say(task_settings.get_task()) == [CurrentTask("running", "en", ("en-us", "zh-hans", "pt-br"))]


LIMITS = [
    ({"message_type": "set_task", "data": json.loads(task_settings.set_task(ES))["data"]}, 2.0),
    ({"message_type": "get_task", "data": {}}, 2.0),
    ({"message_type": "pause_task"}, 3.0),
]


@pytest.mark.parametrize("command, seconds", LIMITS)
def test_each_command_has_a_limit_of_its_own(command, seconds):
    desk = Desk()
    refused = [CloudError("RATE_LIMIT_EXCEEDED", f"Too many {command['message_type']} messages")]
    assert desk.say(json.dumps(command)) != refused
    desk.until(3.5 + seconds - 0.1)
    assert desk.say(json.dumps(command)) == refused
    desk.until(3.5 + seconds)
    assert desk.say(json.dumps(command)) != refused, "what was refused does not count"


def test_sixty_texts_a_minute_may_be_spoken():
    desk = Desk()
    answers = [desk.tell("tts_task", text="Hola", language="es")[-1] for _ in range(61)]
    assert answers[59] == status("tts_task", "queued")
    assert isinstance(answers[60], CloudError) and answers[60].is_rate_limit


def test_texts_to_speak_go_to_the_interpreter():
    desk = Desk()
    assert desk.tell("tts_task", text="Hola", language="es")[0] == Speak("0000000000000001", "Hola", "es", False)
    assert desk.tell("tts_task", text="Hello", language="en", translate_text=True)[0] == Speak(
        "0000000000000002", "Hello", "en", True
    )
    for wrong in (
        {"text": "", "language": "es"},
        {"text": "a" * 2049, "language": "es"},
        {"text": "Hi", "language": "fr"},
    ):
        (error,) = desk.tell("tts_task", **wrong)
        assert isinstance(error, CloudError) and error.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("generation, known, unknown", [("B", "flush", "interrupt"), ("C", "interrupt", "flush")])
def test_interrupting_has_two_names(generation, known, unknown):
    desk = Desk(generation=generation)
    assert desk.tell(f"{known}_task", languages=["es"]) == [Interrupt(("es",))]
    assert desk.tell(f"{unknown}_task") == [CloudError("UNKNOWN_MESSAGE_TYPE", "Unknown message_type")]


def test_interrupting_may_pause():
    desk = Desk()
    assert desk.tell("interrupt_task", pause_task=True) == [
        Interrupt(("global",)),
        Pause(),
        status("interrupt_task", "interrupted", "paused"),
    ]


@pytest.mark.parametrize("generation, kind", [("B", "eos"), ("C", "end_of_stream"), ("D", "end_of_stream")])
def test_the_end_lets_the_last_sentence_be_spoken(generation, kind):
    desk = Desk(generation=generation)
    assert desk.say(task_settings.end_task()) == [Stop(force=False)]
    assert len(desk.task.captions(Said("1", "es", "Adiós"))) == 1
    assert but_maps(desk.until(6)) == []
    last, close = desk.task.finished()
    assert json.loads(last.payload) == {"message_type": kind, "data": {}}
    assert close == Close(1000)
    assert desk.task.finished() == []


def test_the_end_waits_for_the_interpreter_so_long_and_no_longer():
    desk = Desk()
    desk.tell("end_task", eos_timeout=2)
    assert but_maps(desk.until(5.4)) == []
    assert but_maps(desk.until(6)) == [EndOfStream(), Close(1000)]


@pytest.mark.parametrize("ready", [True, False])
def test_a_forced_end_is_at_once(ready):
    desk = Desk(ready=ready)
    assert desk.tell("end_task", force=True) == [Stop(force=True), EndOfStream(), Close(1000)]
    assert desk.task.state is State.NONE


def test_without_sound_a_running_task_is_given_up():
    desk = Desk()
    assert but_maps(desk.until(13.4, sound=False)) == []
    error, stop, close = but_maps(desk.until(13.6, sound=False))
    assert isinstance(error, CloudError) and error.code == "SERVICE_TIMEOUT"
    assert (stop, close) == (Stop(force=True), Close(1008))


def test_without_sound_a_paused_task_is_kept():
    desk = Desk()
    desk.say(task_settings.pause_task())
    assert desk.until(60, sound=False) == []
    desk.say(task_settings.set_task(ES))
    assert but_maps(desk.until(69, sound=False)) == [], "the silence of the pause does not count"


def test_queue_maps_come_once_a_second_while_it_runs():
    desk = Desk()
    assert len(maps(desk.until(8.5))) == 5
    desk.task.queued({"es": 320})
    assert maps(desk.until(9.5)) == [QueueMap({"es": QueueLevel(320, 20000)})]
    desk.say(task_settings.pause_task())
    assert maps(desk.until(20)) == []


def test_queue_maps_carry_the_limits_of_the_settings():
    desk = Desk(ready=False)
    desk.say(task_settings.set_task(LanguagePair("", "en", ("es",), max_queue_level_ms=9000)))
    desk.task.queued({"es": 1})
    assert QueueMap({"es": QueueLevel(1, 9000)}) in desk.until(2)


def test_captions_follow_the_allowed_types():
    desk = Desk()
    kinds = [Heard("1", "en", "good", False), Heard("1", "en", "Good.", True), Said("1", "es", "Bien."),
             Said("1", "es", "Bi", final=False)]  # fmt: skip
    told = [[messages.decode(one.payload) for one in desk.task.captions(event)] for event in kinds]
    assert told == [
        [messages.Transcription("partial_transcription", "1", None, "en", "good")],
        [messages.Transcription("validated_transcription", "1", None, "en", "Good.")],
        [messages.Transcription("translated_transcription", "1", "0", "es", "Bien.")],
        [],  # partial translations have to be asked for
    ]
    assert all(one.to is None for event in kinds for one in desk.task.captions(event))
    desk.say(task_settings.pause_task())
    assert desk.task.captions(kinds[0]) == []


def test_answers_go_to_who_asked():
    task = ManagementTask()
    (answer,) = task.receive(task_settings.get_task(), 0.0, sender="phone", may_command=True)
    assert isinstance(answer, Outgoing) and answer.to == "phone"


def test_a_subscriber_may_only_listen():
    desk = Desk()
    assert desk.say(task_settings.set_task(FR), may_command=False) == [
        CloudError("PERMISSION_DENIED", "This token may only listen")
    ]
    assert desk.task.current and desk.task.current.targets == ("es",)


def settings(**pipeline: object) -> bytes:
    message = json.loads(task_settings.set_task(ES))
    message["data"]["pipeline"].update(pipeline)
    return json.dumps(message).encode()


WRONG = {
    "target_language": {"translations": [{"target_language": "xx"}]},
    "source_language": {"transcription": {"source_language": "ba"}},
    "transcription": {"transcription": None},
    "Field required": {"transcription": {}},
    "detectable_languages": {"transcription": {"source_language": "auto", "detectable_languages": ["xx"]}},
    "segment_confirmation": {"transcription": {"source_language": "en", "segment_confirmation_silence_threshold": 0.1}},
    "at least 1 item": {"translations": []},
    "valid dictionary": {"translations": ["es"]},
    "allowed_source": {"translations": [{"target_language": "es", "allowed_source_languages": "en"}]},
    "voice_id": {"translations": [{"target_language": "es", "speech_generation": {"voice_id": 5}}]},
    "enable_vad": {"preprocessing": {"enable_vad": "yes"}},
    "vad_left_padding": {"preprocessing": {"vad_left_padding": 1.5}},
    "greater than desired": {"translation_queue_configs": {"global": {"max_queue_level_ms": 5000}}},
    "translation_queue_configs": {"translation_queue_configs": {"xx": {}}},
    "allowed_message_types": {"allowed_message_types": ["everything"]},
}


@pytest.mark.parametrize("place", WRONG)
def test_wrong_settings_are_named_and_change_nothing(place):
    desk = Desk()
    (error,) = desk.say(settings(**WRONG[place]))
    assert isinstance(error, CloudError) and error.code == "VALIDATION_ERROR"
    assert error.text.startswith("ValidationError(model='SetTaskRequestMessage', errors=[{'loc': ('data', 'pipeline'")
    assert place in error.text
    assert desk.task.current and desk.task.current.targets == ("es",)


@pytest.mark.parametrize("data", [None, [], 5, {}, {"pipeline": 1}, {"pipeline": {"translations": 7}}])
def test_settings_of_any_shape_are_refused_and_raise_nothing(data):
    (error,) = Desk().say(json.dumps({"message_type": "set_task", "data": data}))
    assert isinstance(error, CloudError) and error.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("wrong", [b"\xff", b"{", b"[]", b"7", b"null", b"{}", b'{"message_type": 1}', b"[" * 100_000,
                                   b'{"message_type": "get_task", "data": "{"}'])  # fmt: skip
def test_nonsense_is_answered(wrong):
    assert Desk().say(wrong) == [CloudError("INVALID_MESSAGE", "Not a JSON object with message_type")]


def test_no_command_of_any_shape_raises():
    chance = random.Random(4)
    kinds = ["set_task", "get_task", "pause_task", "end_task", "tts_task", "interrupt_task"]
    golden = [json.loads(task_settings.set_task(pair)) for pair in (ES, FULL)]
    leaves = [
        None,
        True,
        0,
        -1,
        1e308,
        float("inf"),
        float("nan"),
        "",
        "es",
        "\ud800",
        "global",
        [],
        {},
        10**30,
        ["es"],
    ]

    def spoil(value: object) -> object:
        if chance.random() < 0.02:
            return chance.choice(leaves)
        if isinstance(value, dict):
            return {(key if chance.random() < 0.98 else "es"): spoil(entry) for key, entry in value.items()}
        return [spoil(entry) for entry in value] if isinstance(value, list) else value

    desk = Desk()
    accepted = 0
    for _ in range(2000):
        desk.now_s += 3
        message = spoil(chance.choice(golden))
        if chance.random() < 0.3:
            data = {"force": 1, "eos_timeout": 1, "text": "Hi", "language": "es", "languages": ["es"]}
            message = {"message_type": chance.choice(kinds), "data": spoil(data)}
        came = desk.say(json.dumps(message))
        accepted += not any(isinstance(one, CloudError) for one in came)
    assert 200 < accepted < 1800


def test_a_refused_language_comes_with_all_permitted_ones():
    (error,) = Desk().say(settings(translations=[{"target_language": "xx"}]))
    assert isinstance(error, CloudError) and all(f"'{code}'" in error.text for code in TARGETS)
    assert (len(SOURCES), len(TARGETS)) == (97, 83)


def test_every_permitted_language_is_accepted():
    for source in SOURCES:
        desk = Desk(ready=False)
        desk.say(task_settings.set_task(LanguagePair("", source, TARGETS)))
        assert desk.task.state is State.STARTING


def test_an_unknown_voice_is_a_warning():
    desk = Desk(ready=False)
    (warning,) = desk.say(task_settings.set_task(LanguagePair("", "en", ("es",), voice_id="nobody")))
    assert isinstance(warning, CloudWarning) and warning.code == "VOICE_NOT_FOUND"
    assert desk.task.state is State.STARTING


def test_a_client_may_write_data_as_text_too():
    message = json.loads(task_settings.set_task(FR))
    message["data"] = json.dumps(message["data"])
    assert status("set_task", "updated") in Desk().say(json.dumps(message))


# Faults.


def test_fault_never_ready():
    desk = Desk(never_ready="")
    assert desk.say(task_settings.get_task()) == [NOT_FOUND]
    del desk.faults["never-ready"]
    assert status("set_task", "started") in desk.until(4)


def test_fault_ready_delay():
    desk = Desk(ready=False, ready_delay="8")
    desk.say(task_settings.set_task(ES))
    assert desk.until(7.9) == []
    assert status("set_task", "started") in desk.until(8.1)


def test_fault_refuse_language():
    desk = Desk(refuse_language="fr")
    (error,) = desk.say(task_settings.set_task(FR))
    assert isinstance(error, CloudError) and error.names_language and "'fr'" not in error.text


def test_fault_not_found_after_loses_a_task_that_set_task_brings_back():
    desk = Desk(not_found_after="5")
    assert Stop(force=True) in desk.until(6)
    assert desk.say(task_settings.get_task()) == [NOT_FOUND]
    desk.say(task_settings.set_task(ES))
    assert status("set_task", "started") in desk.until(7)


def test_fault_lost_task_loses_it_for_good():
    desk = Desk()
    desk.faults["lost-task"] = ""
    assert desk.until(4) == [Stop(force=True)]
    desk.say(task_settings.set_task(ES))
    assert desk.until(20) == []


def test_fault_close_1008():
    assert Close(1008) in Desk(ready=False, close_1008="").until(0.1)


def test_fault_string_data():
    task = ManagementTask(fault={"string-data": ""}.get)
    (answer,) = task.receive(task_settings.get_task(), 0.0, sender=1, may_command=True)
    assert isinstance(answer, Outgoing) and isinstance(json.loads(answer.payload)["data"], str)
    assert messages.decode(answer.payload) == NOT_FOUND


def test_fault_duplicates():
    desk = Desk(duplicates="")
    assert desk.say(task_settings.get_task()) == [CurrentTask("running", "en", ("es",))] * 2


def test_faults_of_the_queue_map():
    desk = Desk(no_queue_map="")
    desk.task.queued({"es": 5})
    assert desk.until(6) == []
    desk.faults.clear()
    desk.faults["empty-queue-map"] = ""
    assert maps(desk.until(7)) == [QueueMap({})]


def test_fault_generation():
    desk = Desk(generation="D")
    desk.faults["generation"] = "B"
    assert desk.say(task_settings.pause_task()) == [Pause()]


def test_fault_wrong_echo():
    desk = Desk(wrong_echo="")
    assert desk.say(task_settings.get_task()) == [CurrentTask("running", "en", ("sw",))]


def test_fault_drop_messages():
    desk = Desk(drop_messages="")
    assert desk.say(task_settings.get_task()) == []
    assert desk.until(9) == []
