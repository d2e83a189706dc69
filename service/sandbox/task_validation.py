"""set_task checked as the service does: defaults filled in, or a refusal in its recorded shape (palabra-api 3.4, 4).

Unknown settings are ignored; whether the service refuses them is documented nowhere (palabra-api 8, row 23).
"""

from __future__ import annotations

from typing import Any

from service.sandbox.checks import Setting, Table, boolean, number, one_of, some_of, text, text_of, texts
from service.sandbox.languages import SOURCES, TARGETS, full_target, plain_source

MESSAGE_TYPES = (
    "translated_transcription",
    "partial_transcription",
    "validated_transcription",
    "partial_translated_transcription",
    "pipeline_timings",
    "tts_buffer_stats",
)
VOICES = ("default_low", "default_high")

Loc = tuple[str | int, ...]


class CommandRefused(Exception):
    """A command is answered by an error message with this code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class InvalidSettings(CommandRefused):
    """Settings are refused; the text is in the shape in which the service was seen to write it."""

    def __init__(self, errors: list[tuple[Loc, str]], model: str) -> None:
        listed = [{"loc": ("data", *loc), "msg": text} for loc, text in errors]
        super().__init__("VALIDATION_ERROR", f"ValidationError(model={model!r}, errors={listed!r})")


_LEVEL_MS = number(0, whole=True)
_TABLES: dict[str, Table] = {
    "preprocessing": {
        "enable_vad": Setting(boolean, True),
        "vad_threshold": Setting(number(0, 1), 0.5),
        "vad_left_padding": Setting(number(0, whole=True), 1),
        "vad_right_padding": Setting(number(0, whole=True), 1),
        "pre_vad_denoise": Setting(boolean, False),
        "pre_vad_dsp": Setting(boolean, True),
    },
    "transcription": {
        "asr_model": Setting(text, "auto"),
        "denoise": Setting(text, "none"),
        "allow_hotwords_glossaries": Setting(boolean, True),
        "allowed_hotwords_glossary_ids": Setting(texts, []),
        "diarize_speakers": Setting(boolean, False),
        "min_alignment_score": Setting(number(0, 1), 0.2),
        "max_alignment_cer": Setting(number(0, 1), 0.8),
        "segment_confirmation_silence_threshold": Setting(number(0.3, 2.0), 0.7),
        "only_confirm_by_silence": Setting(boolean, False),
        "force_detect_language": Setting(boolean, False),
        "sentence_splitter": {"enabled": Setting(boolean, True), "splitter_model": Setting(text, "auto")},
        "verification": {
            "verification_model": Setting(text, "auto"),
            "allow_verification_glossaries": Setting(boolean, True),
            "allowed_verification_glossary_ids": Setting(texts, []),
            "auto_transcription_correction": Setting(boolean, False),
            "transcription_correction_style": Setting(text),
        },
    },
    "translation": {
        "translation_model": Setting(text, "auto"),
        "allow_translation_glossaries": Setting(boolean, True),
        "allowed_translation_glossary_ids": Setting(texts, []),
        "style": Setting(text),
        "translate_partial_transcriptions": Setting(boolean, False),
        "speech_generation": {
            "tts_model": Setting(text, "auto"),
            "voice_id": Setting(text, "default_low"),
            "voice_cloning": Setting(boolean, False),
            "denoise_voice_samples": Setting(boolean, True),
            "voice_timbre_detection": {
                "enabled": Setting(boolean, False),
                "high_timbre_voices": Setting(texts, ["default_high"]),
                "low_timbre_voices": Setting(texts, ["default_low"]),
            },
        },
    },
    "queue": {
        "desired_queue_level_ms": Setting(_LEVEL_MS, 5000),
        "max_queue_level_ms": Setting(_LEVEL_MS, 20000),
        "auto_tempo": Setting(boolean, True),
        "min_tempo": Setting(number(0), 1.15),
        "max_tempo": Setting(number(0), 1.45),
    },
}
_STREAM = {"content_type": Setting(one_of("audio"), required=True)}
# "wav" and "opus" are documented as input formats too, but not what a message of them holds: they are refused here.
_SOURCES: dict[str, Table] = {
    "webrtc": {"type": Setting(one_of("webrtc", "ws"), required=True)},
    "ws": {
        "type": Setting(one_of("ws"), required=True),
        "format": Setting(one_of("pcm_s16le"), required=True),
        "sample_rate": Setting(number(16_000, 48_000, whole=True), required=True),
        "channels": Setting(number(1, 2, whole=True), required=True),
    },
}
_TARGETS: dict[str, Table] = {
    "webrtc": {"type": Setting(one_of("webrtc"), required=True)},
    "ws": {
        "type": Setting(one_of("ws"), required=True),
        "format": Setting(one_of("pcm_s16le", "zlib_pcm_s16le"), required=True),
    },
}

_EMPTY: Table = {}
_COMMANDS: dict[str, tuple[str, Table]] = {
    "get_task": ("GetTaskRequestMessage", {"exclude_hidden": Setting(boolean, True)}),
    "pause_task": ("PauseTaskRequestMessage", _EMPTY),
    "end_task": (
        "EndTaskRequestMessage",
        {"force": Setting(boolean, False), "eos_timeout": Setting(number(1, 30), 5)},
    ),
    "tts_task": (
        "TtsTaskRequestMessage",
        {
            "text": Setting(text_of(1, 2048), required=True),
            "language": Setting(text, required=True),
            "translate_text": Setting(boolean, False),
        },
    ),
    "interrupt_task": (
        "InterruptTaskRequestMessage",
        {"languages": Setting(texts, ["global"]), "pause_task": Setting(boolean, False)},
    ),
}
_COMMANDS["flush_task"] = _COMMANDS["interrupt_task"]


class _Reader:
    """Walks the settings once and collects everything that is wrong."""

    def __init__(self) -> None:
        self.errors: list[tuple[Loc, str]] = []

    def fill(self, table: Table, given: object, loc: Loc) -> dict[str, Any]:
        """The table's settings with what was given or their defaults, in the table's order."""
        values = self.mapping(given, loc)
        filled: dict[str, Any] = {}
        for name, setting in table.items():
            value = values.get(name)
            if not isinstance(setting, Setting):
                filled[name] = self.fill(setting, {} if value is None else value, (*loc, name))
            elif value is None:
                filled[name] = setting.default
                if setting.required:
                    self.errors.append(((*loc, name), "Field required"))
            else:
                filled[name] = value
                if wrong := setting.check(value):
                    self.errors.append(((*loc, name), wrong))
        return filled

    def mapping(self, value: object, loc: Loc) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.errors.append((loc, "Input should be a valid dictionary"))
        return {}


def checked(kind: str, data: object) -> dict[str, Any]:
    """The data of a command other than set_task, defaults filled in. Raises InvalidSettings."""
    model, table = _COMMANDS[kind]
    reader = _Reader()
    filled = reader.fill(table, {} if data is None else data, ())
    if reader.errors:
        raise InvalidSettings(reader.errors, model)
    return filled


def filled_in(data: object, refused: str | None = None) -> dict[str, Any]:
    """The complete settings of a set_task, languages as the service names them. Raises InvalidSettings.

    `refused` is a code that is left out of the permitted ones.
    """
    reader = _Reader()
    given = reader.mapping(data, ())
    streams = _streams(reader, given)
    loc: Loc = ("pipeline",)
    pipeline = reader.mapping(given.get("pipeline"), loc)
    sources = tuple(code for code in SOURCES if code != refused)
    targets = tuple(code for code in TARGETS if code != refused)
    types = pipeline.get("allowed_message_types")
    if types is not None and (wrong := some_of(*MESSAGE_TYPES)(types)):
        reader.errors.append(((*loc, "allowed_message_types"), wrong))
    filled = {
        "preprocessing": reader.fill(
            _TABLES["preprocessing"], pipeline.get("preprocessing") or {}, (*loc, "preprocessing")
        ),
        "transcription": _transcription(reader, pipeline.get("transcription"), sources, (*loc, "transcription")),
        "translations": _translations(reader, pipeline.get("translations"), sources, targets, (*loc, "translations")),
        "translation_queue_configs": _queues(reader, pipeline, targets, (*loc, "translation_queue_configs")),
        "allowed_message_types": list(MESSAGE_TYPES[:3]) if types is None else types,
    }
    if reader.errors:
        raise InvalidSettings(reader.errors, "SetTaskRequestMessage")
    return {**streams, "pipeline": filled}


def _streams(reader: _Reader, given: dict[str, Any]) -> dict[str, Any]:
    """Both of one type. Over a socket there may be no output: text alone (palabra-api 4.1)."""
    source, target = given.get("input_stream"), given.get("output_stream")
    asked = source.get("source") if isinstance(source, dict) else None
    kind = "ws" if isinstance(asked, dict) and asked.get("type") == "ws" else "webrtc"
    streams: dict[str, Any] = {
        "input_stream": reader.fill({**_STREAM, "source": _SOURCES[kind]}, source, ("input_stream",)),
        "output_stream": None,
    }
    if kind == "webrtc" or target is not None:
        streams["output_stream"] = reader.fill({**_STREAM, "target": _TARGETS[kind]}, target, ("output_stream",))
    return streams


def _transcription(reader: _Reader, given: object, sources: tuple[str, ...], loc: Loc) -> dict[str, Any]:
    values = reader.mapping(given, loc)
    source = values.get("source_language")
    if isinstance(source, str):
        values = {**values, "source_language": plain_source(source)}
    languages: Table = {
        "source_language": Setting(one_of(*sources), required=True),
        "detectable_languages": Setting(some_of(*sources), []),
    }
    return reader.fill({**languages, **_TABLES["transcription"]}, values, loc)


def _translations(
    reader: _Reader, given: object, sources: tuple[str, ...], targets: tuple[str, ...], loc: Loc
) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        reader.errors.append((loc, "Input should be a valid list with at least 1 item"))
        return []
    languages: Table = {
        "target_language": Setting(one_of(*targets), required=True),
        "allowed_source_languages": Setting(some_of(*sources), []),
    }
    filled = [
        reader.fill({**languages, **_TABLES["translation"]}, entry, (*loc, index)) for index, entry in enumerate(given)
    ]
    return [entry | {"target_language": full_target(entry["target_language"])} for entry in filled if not reader.errors]


def _queues(reader: _Reader, pipeline: dict[str, Any], targets: tuple[str, ...], loc: Loc) -> dict[str, Any]:
    filled = {}
    for key, given in reader.mapping(pipeline.get("translation_queue_configs") or {}, loc).items():
        if wrong := one_of("global", *targets)(key):
            reader.errors.append(((*loc, key), wrong))
        queue = filled[key] = reader.fill(_TABLES["queue"], given, (*loc, key))
        levels = queue["desired_queue_level_ms"], queue["max_queue_level_ms"]
        if not _LEVEL_MS(levels[0]) and not _LEVEL_MS(levels[1]) and levels[0] >= levels[1]:
            reader.errors.append(((*loc, key), "max_queue_level_ms should be greater than desired_queue_level_ms"))
    return filled
