"""The golden messages, and that nothing a peer can send breaks the decoder."""

import json
import random
from pathlib import Path

import pytest

from service.core.messages import (
    CloudError,
    CloudWarning,
    CurrentTask,
    EndOfStream,
    Ignored,
    MalformedMessage,
    OutputAudio,
    QueueLevel,
    QueueMap,
    TaskStatus,
    Transcription,
    Unknown,
    decode,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
ID = "4f21c07d9be1a360"
NOT_PERMITTED = (
    "ValidationError(model='SetTaskRequestMessage', errors=[{'loc': ('data', 'pipeline', 'translations', 0, "
    "'target_language'), 'msg': \"Input should be 'de' or 'es'\"}])"
)
EXPECTED = {
    "partial_transcription": Transcription("partial_transcription", ID, None, "en", "Good morning"),
    "validated_transcription": Transcription("validated_transcription", ID, None, "en", "Good morning, everyone."),
    "string_data": Transcription("validated_transcription", ID, None, "en", "Good morning, everyone."),
    "translated_transcription": Transcription("translated_transcription", ID, "0", "es", "Buenos días a todos."),
    "translated_transcription_string_part": Transcription(
        "translated_transcription", ID, "0", "en-us", "Good morning."
    ),
    "partial_translated_transcription": Transcription("partial_translated_transcription", ID, "1", "es", "Buenos días"),
    "current_task": CurrentTask("running", "en", ("es", "zh-hans")),
    "current_task_without_status": CurrentTask(None, "en", ("es",)),
    "task_status_started": TaskStatus("set_task", "started", "running"),
    "task_status_updated": TaskStatus("set_task", "updated", "running"),
    "task_status_unchanged": TaskStatus("set_task", "unchanged", "running"),
    "task_status_resumed": TaskStatus("set_task", "resumed", "running"),
    "task_status_paused": TaskStatus("pause_task", "paused", "paused"),
    "task_status_interrupted": TaskStatus("interrupt_task", "interrupted", "running"),
    "task_status_queued": TaskStatus("tts_task", "queued", "running"),
    "error_not_found": CloudError("NOT_FOUND", "No active task found"),
    "error_validation": CloudError("VALIDATION_ERROR", NOT_PERMITTED),
    "error_validation_list": CloudError(
        "VALIDATION_ERROR", '[{"loc": ["pipeline", "transcription", "source_language"], "msg": "not permitted"}]'
    ),
    "error_msg": CloudError("UNKNOWN_ERROR", "something broke"),
    "error_service_timeout": CloudError("SERVICE_TIMEOUT", "no input audio"),
    "warning": CloudWarning("AUDIO_STREAM_TOO_FAST", "slow down"),
    "queue_map": QueueMap({"es": QueueLevel(320, 24000)}),
    "queue_map_empty": QueueMap({}),
    "output_audio_data": OutputAudio("es", b"\0\0\1\0\2\0", last=False),
    "output_audio_data_last": OutputAudio("en-us", b"", last=True),
    "end_of_stream": EndOfStream(),
    "eos": EndOfStream(),
    "pipeline_timings": Ignored("pipeline_timings"),
    "tts_buffer_stats": Ignored("tts_buffer_stats"),
    "unknown": Unknown("weather_report"),
}
OURS = {"set_task", "set_task_options", "set_task_socket", "get_task", "pause_task", "end_task", "input_audio_data"}


def payload(name: str) -> str:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert golden["origin"]
    return golden["payload"] if "payload" in golden else json.dumps(golden["message"])


def test_every_golden_file_is_used():
    names = {path.stem for path in GOLDEN.glob("*.json")}
    assert {name for name in names if not name.startswith("broken_")} == EXPECTED.keys() | OURS


@pytest.mark.parametrize("name", EXPECTED)
def test_each_kind_is_understood_from_bytes_and_from_text(name):
    assert decode(payload(name)) == EXPECTED[name]
    assert decode(payload(name).encode()) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("broken_*.json")))
def test_each_broken_kind_is_one_clear_error_without_the_peers_words(name):
    with pytest.raises(MalformedMessage) as caught:
        decode(payload(name))
    assert "oops" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_what_people_said_is_in_no_repr():
    assert "Good" not in repr(EXPECTED["partial_transcription"])
    assert "x02" not in repr(EXPECTED["output_audio_data"])


@pytest.mark.parametrize("data", [None, {}, "{}", "absent"])
def test_data_may_be_null_absent_empty_or_text(data):
    envelope = {"message_type": "current_task", "data": data}
    if data == "absent":
        del envelope["data"]
    assert decode(json.dumps(envelope)) == CurrentTask(None, None, ())


@pytest.mark.parametrize("level", ["NaN", "Infinity", "-1", "true", '"5"', "1e999", "null", "[]", "9" * 400])
def test_a_queue_level_that_is_none_is_left_out(level):
    queues = '{"es": {"current_queue_level_ms": %s}, "fr": {"current_queue_level_ms": 7.9}}'
    assert decode(queues % level) == QueueMap({"fr": QueueLevel(7, None)})


def test_text_is_bounded_and_can_be_written_again():
    message = decode(json.dumps({"message_type": "error", "data": {"code": "X", "desc": "\ud800" + "a" * 10**5}}))
    assert isinstance(message, CloudError)
    assert len(message.text.encode()) <= 4000
    assert len(message.short) == 300


@pytest.mark.parametrize(
    "error, limit",
    [
        (CloudError("RATE_LIMIT_EXCEEDED", ""), True),
        (CloudError("UNKNOWN_ERROR", "Too many requests"), True),
        (CloudError("NOT_FOUND", "No active task found"), False),
        (CloudError("VALIDATION_ERROR", "x" * 50), False),
    ],
)
def test_rate_limits_are_known_by_their_words(error, limit):
    assert error.is_rate_limit is limit


def test_only_a_refused_language_names_one():
    assert CloudError("VALIDATION_ERROR", NOT_PERMITTED).names_language
    assert not CloudError("VALIDATION_ERROR", "'detectable_languages'").names_language


def survives(payload: bytes | str) -> bool:
    try:
        decode(payload)
    except MalformedMessage:
        return False
    return True


def test_no_bytes_break_the_decoder():
    chance = random.Random(1)
    goldens = [payload(path.stem).encode() for path in sorted(GOLDEN.glob("*.json"))]
    understood = 0
    for _ in range(4000):
        wrong = bytearray(chance.choice(goldens))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(wrong) + 1)
            wrong[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        understood += survives(bytes(wrong))
    assert 0 < understood < 4000
    for deep in (
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"message_type":"error","data":{"desc":' + "[" * 900 + "]" * 900 + "}}",
    ):
        survives(deep)


def test_no_json_breaks_the_decoder():
    chance = random.Random(2)
    leaves = [None, True, 0, -1, 1e308, float("nan"), "", "es", "\ud800", "{}", "[", [], {}, 10**30]
    keys = ["message_type", "data", "transcription", "transcription_id", "language", "text", "translation_part_id"]
    keys += ["pipeline", "translations", "target_language", "task_status", "command", "event", "code", "desc", "es"]
    keys += ["current_queue_level_ms", "max_queue_level_ms", "source_language", "last_chunk"]
    kinds = [kind for kind in EXPECTED if "_status_" not in kind] + ["task_status", "error", "eos", None, 3]

    def value(depth: int) -> object:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(leaves)
        if chance.random() < 0.2:
            return [value(depth - 1) for _ in range(chance.randint(0, 3))]
        return {chance.choice(keys): value(depth - 1) for _ in range(chance.randint(0, 5))}

    understood = 0
    for _ in range(4000):
        envelope = {"message_type": chance.choice(kinds), "data": value(4)}
        understood += survives(json.dumps(chance.choice([envelope, value(4)])))
    assert 0 < understood < 4000
