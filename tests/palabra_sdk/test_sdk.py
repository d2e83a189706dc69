"""The vendor's own SDKs, each a process of its own, against a running sandbox: they create a session, stream a WAV and
receive speech and captions. Nothing of them is changed; they are pointed at the sandbox by their URL settings."""

import base64
import json
import os
import subprocess
import wave

import numpy as np
import pytest

from service.sandbox.resample import resample
from tests.fakes.processes import sandbox, until
from tests.fakes.speech import needs_espeak, sentences, silence
from tests.palabra_sdk.environment import HERE, python

pytestmark = [pytest.mark.slow, needs_espeak]

# The SDK, and the generation of messages that it was made for (palabra-api 0.3).
SDKS = {"1.0.1": "B", "2.2.1": "D"}
LIMIT_S = 60
SAID = {"es": "Les damos la bienvenida a la conferencia.", "fr": "Bienvenue à la conférence."}


@pytest.fixture(params=SDKS)
def version(request):
    return request.param


@pytest.fixture
def talk(tmp_path):
    """A known phrase as a file in the one format that these SDKs read without more packages."""
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(resample(silence(0.3) + sentences()[0] + silence(1.5), from_hz=48_000, to_hz=24_000))
    return str(path)


def run(version: str, one, script: str, *arguments: str, **environ: str) -> tuple[list[dict], str]:
    """The events of a driver, and the last line of what it complained of."""
    said = one.said
    keys = {"PALABRA_CLIENT_ID": said["client_id"], "PALABRA_CLIENT_SECRET": said["client_secret"]}
    keys["PALABRA_API_KEY"] = said["api_key"]
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PALABRA_", "PYTHON"))}
    command, env = [python(version), str(HERE / script), one.url, *arguments], {**kept, **keys, **environ}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    complaint = ended.stderr.strip().rpartition("\n")[2]
    assert (ended.returncode == 0) == (complaint == ""), ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()], complaint


def stream(version: str, one, *arguments: str, **environ: str) -> tuple[list[dict], str]:
    return run(version, one, f"drive_{version[0]}.py", *arguments, **environ)


def speech(events: list[dict], language: str) -> bytes:
    """24 kHz mono s16."""
    pieces = [one for one in events if one["class"] == "Audio" and one["language"] == language]
    assert [one["last_chunk"] for one in pieces].index(True) == len(pieces) - 1
    return b"".join(base64.b64decode(one["pcm"]) for one in pieces)


def test_a_session_a_file_speech_and_captions(version, talk, tmp_path):
    with sandbox(tmp_path, "--fault", f"generation={SDKS[version]}") as one:
        events, complaint = stream(version, one, talk, *SAID)
        assert complaint == ""
        texts = {(each["type"], each["language"]): each for each in events if each["class"] == "Transcript"}
        heard = texts["validated_transcription", "en"]
        assert heard["text"] == "welcome to the conference" and ("partial_transcription", "en") in texts
        for language, text in SAID.items():
            said = texts["translated_transcription", language]
            assert (said["text"], said["id"]) == (text, heard["id"])
            pcm = speech(events, language)
            assert 0.8 < len(pcm) / 48_000 < 4.0
            assert np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(float) ** 2)) > 300
        assert {each["id"] for each in events if each["class"] == "Audio"} == {heard["id"]}
        assert not [each for each in events if each["class"] in ("ServerError", "ServerWarning")]
        assert events[-1]["class"] == "StreamEnd"
        until(lambda: one.sessions() == [], "the end of the session")
        assert [what for what in one.seen() if what != "get_task"] == ["created", "set_task", "end_task", "deleted"]


def test_a_refusal_is_understood(version, talk, tmp_path):
    with sandbox(tmp_path, "--fault", f"generation={SDKS[version]}") as one:
        events, complaint = stream(version, one, talk, "xx")
        assert events == [] and "TaskError" in complaint and "VALIDATION_ERROR" in complaint
        wrong = {"PALABRA_CLIENT_SECRET": "wrong", "PALABRA_API_KEY": "wrong"}
        events, complaint = stream(version, one, talk, "es", **wrong)
        assert events == [] and ("AuthError" in complaint or "SessionError" in complaint)
        until(lambda: one.sessions() == [], "no session that is left over")


def test_the_current_sdk_steers_its_session(tmp_path):
    with sandbox(tmp_path) as one:
        events, complaint = run("2.2.1", one, "steer_2.py")
        assert complaint == "" and not [each for each in events if each["class"] == "ServerError"]
        statuses = [(each["event"], each["status"]) for each in events if each["class"] == "TaskStatus"]
        running = [(event, "running") for event in ("started", "queued", "interrupted")]
        assert statuses == [*running, ("paused", "paused"), ("resumed", "running"), ("updated", "running")]
        (queued,) = [each["transcription_id"] for each in events if each.get("event") == "queued"]
        assert {each["id"] for each in events if each["class"] == "Audio"} == {queued} and speech(events, "es")
