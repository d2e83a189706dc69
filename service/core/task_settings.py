"""What the box says: set_task with its settings, and the commands (palabra-api 3.3, 4).

Only documented settings that differ from the server's defaults are sent (palabra-api 8, row 23).
"""

from __future__ import annotations

import json
from typing import Any

from service.core.languages import LanguagePair


def set_task(pair: LanguagePair, *, minimal: bool = False) -> bytes:
    """Create, change or resume the task; always complete, as it replaces what runs (palabra-api 4.7).

    `minimal` leaves every option out and keeps the languages: the one retry after a refused option.
    """
    pipeline: dict[str, Any] = {
        "preprocessing": {},
        "transcription": {"source_language": pair.source} | ({} if minimal else _transcription_options(pair)),
        "translations": [
            {"target_language": target} | ({} if minimal else _translation_options(pair.part_for(target)))
            for target in pair.targets
        ],
    }
    if not minimal and (queues := _queues(pair)):
        pipeline["translation_queue_configs"] = queues
    return _encode(
        "set_task",
        {
            "input_stream": {"content_type": "audio", "source": {"type": "webrtc"}},
            "output_stream": {"content_type": "audio", "target": {"type": "webrtc"}},
            "pipeline": pipeline,
        },
    )


def has_options(pair: LanguagePair) -> bool:
    """Whether the minimal task of this pair is any smaller than its full one."""
    of_targets = (_translation_options(part) for part in (pair, *pair.parts))
    return bool(_transcription_options(pair) or _queues(pair) or any(of_targets))


def get_task() -> bytes:
    """Ask what runs."""
    return _encode("get_task", {"exclude_hidden": True})


def pause_task() -> bytes:
    """Stop the meter, keep the task; set_task resumes it."""
    return _encode("pause_task", {})


def end_task() -> bytes:
    """The end: what was received is still spoken."""
    return _encode("end_task", {"force": False})


def _transcription_options(pair: LanguagePair) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if pair.source == "auto" and pair.detectable:
        options["detectable_languages"] = list(pair.detectable)
    if pair.hotwords_glossary_ids:
        options["allowed_hotwords_glossary_ids"] = list(pair.hotwords_glossary_ids)
    if pair.verification_glossary_ids:
        options["verification"] = {"allowed_verification_glossary_ids": list(pair.verification_glossary_ids)}
    return options


def _translation_options(pair: LanguagePair) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if pair.voice_id is not None:
        options["speech_generation"] = {"voice_id": pair.voice_id}
    if pair.translation_glossary_ids:
        options["allowed_translation_glossary_ids"] = list(pair.translation_glossary_ids)
    return options


def _queues(pair: LanguagePair) -> dict[str, dict[str, int]]:
    if not pair.parts:
        queue = _queue_options(pair)
        return {"global": queue} if queue else {}
    queues = {target: _queue_options(pair.part_for(target)) for target in pair.targets}
    return {target: queue for target, queue in queues.items() if queue}


def _queue_options(pair: LanguagePair) -> dict[str, int]:
    levels = {
        "desired_queue_level_ms": pair.desired_queue_level_ms,
        "max_queue_level_ms": pair.max_queue_level_ms,
    }
    return {name: level for name, level in levels.items() if level is not None}


def _encode(message_type: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"message_type": message_type, "data": data}, separators=(",", ":")).encode()
