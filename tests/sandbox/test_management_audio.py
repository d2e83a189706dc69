"""Sound over the management socket: what a session's task makes of it (palabra-api 3.3, 3.5-3.8, 4.1)."""

import base64
import json
import zlib

import pytest

from service.sandbox.management import ManagementTask, State
from service.sandbox.orders import Close, Outgoing, Pause, Run, Sound, Spoken, Stop

SOURCE = {"type": "ws", "format": "pcm_s16le", "sample_rate": 24_000, "channels": 1}
TARGET = {"type": "ws", "format": "pcm_s16le"}
SOUND = base64.b64encode(bytes(15_360)).decode()
PIECE = Spoken("7", "es", base64.b64encode(b"\x01\x02" * 10).decode(), last=True)
NO_INPUT = "SERVICE_TIMEOUT"


def task_data(source: object = SOURCE, target: object = TARGET, to: str = "es") -> dict:
    return {
        "input_stream": {"content_type": "audio", "source": source},
        "output_stream": None if target is None else {"content_type": "audio", "target": target},
        "pipeline": {"transcription": {"source_language": "en"}, "translations": [{"target_language": to}]},
    }


class Desk:
    """A session, its socket "box", a clock turned by hand."""

    def __init__(self, *, running: bool = True, target: object = TARGET, **faults: str) -> None:
        self.now_s = 100.0
        self.task = ManagementTask(fault={name.replace("_", "-"): value for name, value in faults.items()}.get)
        if running:
            self.tell("set_task", task_data(target=target))
            self.wait(1.0)
            assert self.task.state is State.RUNNING

    def tell(self, kind: str, data: object, sender: str = "box") -> list[object]:
        message = json.dumps({"message_type": kind, "data": data})
        return shown(self.task.receive(message, self.now_s, sender=sender, may_command=True))

    def sound(self, sender: str = "box") -> list[object]:
        return self.tell("input_audio_data", {"data": SOUND}, sender)

    def wait(self, seconds: float) -> list[object]:
        self.now_s += seconds
        return shown(self.task.tick(self.now_s))

    def spoken(self, piece: Spoken = PIECE) -> list[object]:
        return [(one.to, json.loads(one.payload)) for one in self.task.spoken(piece)]


def shown(output: list) -> list[object]:
    """Messages by their type, errors and warnings by their code, orders as they are; no queue maps."""
    found = []
    for one in output:
        if isinstance(one, Outgoing):
            message = json.loads(one.payload)
            one = (message.get("data") or {}).get("code") or message.get("message_type")
        if one is not None:
            found.append(one)
    return found


def test_sound_goes_to_the_interpreter_and_speech_to_the_socket_that_set_the_task():
    desk = Desk(running=False)
    assert desk.tell("set_task", task_data()) == []
    run, status = desk.wait(1.0)
    assert (run.over_socket, status) == (True, "task_status") and isinstance(run, Run)
    assert desk.sound() == [Sound(SOUND, 24_000, 1)]
    body = {
        "transcription_id": "7",
        "translation_part_id": "0",
        "language": "es",
        "last_chunk": True,
        "data": PIECE.audio,
        "chunk_generation_delta": None,
    }
    assert desk.spoken() == [("box", {"message_type": "output_audio_data", "data": body})]
    assert desk.task.current is not None and desk.task.current.over_socket


def test_before_readiness_and_in_a_pause_sound_is_dropped_without_a_word():
    desk = Desk(running=False)
    assert desk.sound() == []
    desk.tell("set_task", task_data())
    assert desk.sound() == []
    desk.wait(1.0)
    assert desk.sound() != []
    assert desk.tell("pause_task", {}) == [Pause(), "task_status"]
    assert desk.sound() == [] and desk.spoken() == []
    assert desk.wait(60) == [], "and nothing times out"


def test_a_burst_is_warned_of_and_what_is_no_sound_refused():
    desk = Desk()
    fates = [desk.sound() for _ in range(40)]
    assert fates[0] == [Sound(SOUND, 24_000, 1)] and ["AUDIO_STREAM_TOO_FAST"] in fates and fates[-1] == []
    assert desk.tell("input_audio_data", {"data": "no base64"}) == ["VALIDATION_ERROR"]
    assert desk.task.state is State.RUNNING


def test_ten_seconds_without_sound_end_the_task():
    desk = Desk()
    for _ in range(30):
        assert NO_INPUT not in desk.wait(1.0)
        desk.sound()
    assert NO_INPUT not in desk.wait(9.9)
    assert desk.wait(0.2) == [NO_INPUT, Stop(force=True), Close(1008)]
    assert desk.task.state is State.NONE


def test_a_dead_socket_ends_its_task_and_no_other_socket_does():
    desk = Desk()
    assert desk.task.gone("phone") == [] and desk.task.state is State.RUNNING
    assert desk.task.gone("box") == [Stop(force=True)] and desk.task.state is State.NONE
    assert desk.task.gone("box") == [] and desk.sound() == [] and desk.spoken() == []
    assert desk.tell("get_task", {}, "another") == ["NOT_FOUND"]
    desk.now_s += 2
    desk.tell("set_task", task_data(), "another")
    desk.wait(1.0)
    assert desk.sound("another") == [Sound(SOUND, 24_000, 1)], "a new task, not a resumed one"


def test_a_socket_that_only_commands_may_go():
    desk = Desk(running=False)
    webrtc = {"type": "webrtc"}
    desk.tell("set_task", task_data(webrtc, webrtc))
    (run, _) = desk.wait(1.0)
    assert not run.over_socket and desk.spoken() == []
    assert desk.sound() == ["INVALID_MESSAGE"]
    assert desk.task.gone("box") == [] and desk.task.state is State.RUNNING


def test_sound_of_another_socket_is_refused_until_it_sets_the_task():
    desk = Desk()
    assert desk.sound("another") == ["INVALID_MESSAGE"]
    desk.now_s += 2
    desk.tell("set_task", task_data(to="fr"), "another")
    assert desk.sound("another") == [Sound(SOUND, 24_000, 1)] and desk.sound() == ["INVALID_MESSAGE"]
    assert desk.spoken()[0][0] == "another"


def test_after_end_task_no_sound_is_taken_and_the_rest_is_spoken():
    desk = Desk()
    assert desk.tell("end_task", {}) == [Stop(force=False)]
    assert desk.sound() == [] and len(desk.spoken()) == 1
    assert shown(desk.task.finished()) == ["end_of_stream", Close(1000)]
    assert desk.spoken() == []


def test_zipped_sound_is_a_stream_of_its_own_in_each_message():
    desk = Desk(target={"type": "ws", "format": "zlib_pcm_s16le"})
    for _ in range(2):
        ((_, message),) = desk.spoken()
        assert zlib.decompress(base64.b64decode(message["data"]["data"])) == b"\x01\x02" * 10


def test_without_an_output_there_is_text_alone():
    desk = Desk(target=None)
    assert desk.spoken() == [] and desk.sound() == [Sound(SOUND, 24_000, 1)]


def test_a_chunk_need_not_say_that_it_is_the_last_and_never_comes_twice():
    desk = Desk(no_last_chunk="", duplicates="")
    ((_, message),) = desk.spoken()
    assert message["data"]["last_chunk"] is False


WRONG = {
    "format": ({**SOURCE, "format": "opus"}, TARGET),
    "sample_rate": ({**SOURCE, "sample_rate": 8000}, TARGET),
    "channels": ({**SOURCE, "channels": 3}, TARGET),
    "'source', 'type'": ({**SOURCE, "type": "livekit"}, TARGET),
    "'target', 'type'": (SOURCE, {"type": "webrtc"}),
    "'output_stream', 'target', 'type'": ({"type": "webrtc"}, TARGET),
    "'target', 'format'": (SOURCE, {"type": "ws", "format": "wav"}),
    "'output_stream')": ({"type": "webrtc"}, None),
}


@pytest.mark.parametrize("place", WRONG)
def test_wrong_streams_are_named(place):
    desk = Desk(running=False)
    message = json.dumps({"message_type": "set_task", "data": task_data(*WRONG[place])})
    (error,) = desk.task.receive(message, 100.0, sender="box", may_command=True)
    data = json.loads(error.payload)["data"]
    assert data["code"] == "VALIDATION_ERROR" and place in data["desc"]
    assert desk.task.state is State.NONE
