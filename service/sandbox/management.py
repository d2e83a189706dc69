"""The translation management API of one session, sans-I/O: messages, events and time in, messages and orders out.

The flow, limits and errors are those of palabra-api 3.3 to 3.7, in the three generations of 0.3. What the documents
leave open is marked "our choice".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from typing import Any

from service.sandbox import task_validation
from service.sandbox.audio_input import AudioInput
from service.sandbox.languages import full_target
from service.sandbox.management_messages import Messages, opened
from service.sandbox.orders import Close, Heard, Interrupt, Order, Outgoing, Pause, Run, Said, Speak, Spoken, Stop
from service.sandbox.rate_limits import RateLimits
from service.sandbox.task_validation import CommandRefused, InvalidSettings

QUEUE_MAP_S = 1.0
NOT_FOUND = ("NOT_FOUND", "No active task found")

Output = Outgoing | Order
Commands = dict[str, Callable[[dict[str, Any], float, Hashable], list[Output]]]


class State(Enum):
    """Where the session's task is."""

    NONE = "unknown"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"  # the last sentences are being spoken


class ManagementTask:
    """One session's task.

    `generation` is "B", "C" or "D". `input_timeout_s` ends the session when a running task hears nothing for so long;
    None for never (it was seen with sound over WebSocket only, palabra-api 8 row 16). `fault(name)` gives the value of
    a fault that is switched on, else None; it is asked anew each time. Call `tick` ten times a second.
    """

    def __init__(
        self,
        *,
        generation: str = "D",
        ready_delay_s: float = 0.5,  # below the 1.0 s after which SDK 0.6.11 takes "not found" for failure
        input_timeout_s: float | None = 10.0,
        fault: Callable[[str], str | None] = lambda name: None,
    ) -> None:
        self._messages = Messages(generation=generation, fault=fault)
        self._limits = RateLimits()
        self._ready_delay_s = ready_delay_s
        self._input_timeout_s = input_timeout_s
        self._fault = fault
        self._state = State.NONE
        self._settings: dict[str, Any] = {}
        self._ready_at_s = math.inf
        self._lost_at_s = math.inf
        self._unacknowledged: list[tuple[str, Hashable]] = []  # set_tasks heard while starting: event, sender
        self._audio: AudioInput | None = None  # of a task whose sound goes over a socket
        self._heard_at_s = -math.inf
        self._map_at_s = math.inf
        self._end_by_s = math.inf
        self._speak_count = 0
        self._queue_ms: Mapping[str, int] = {}

    @property
    def state(self) -> State:
        """Where the task is, as of the last call."""
        return self._state

    @property
    def current(self) -> Run | None:
        """What runs, or is kept while paused."""
        return self._run() if self._state in (State.RUNNING, State.PAUSED) else None

    # From the interpreter and the room.

    def input_heard(self, now_s: float) -> None:
        """Sound arrives from the publisher, silence included."""
        self._heard_at_s = now_s

    def queued(self, levels_ms: Mapping[str, int]) -> None:
        """What waits to be spoken, per language; languages with nothing are left out."""
        self._queue_ms = dict(levels_ms)

    def captions(self, event: Heard | Said) -> list[Outgoing]:
        """The messages for what the interpreter heard or said, while there is a task whose settings allow them."""
        if self._state not in (State.RUNNING, State.ENDING):
            return []
        return self._messages.caption(event, self._settings["pipeline"])

    def spoken(self, event: Spoken) -> list[Outgoing]:
        """The messages for a piece of sound, while there is a task whose sound goes over a socket."""
        output = self._settings.get("output_stream")
        if self._audio is None or output is None or self._state not in (State.RUNNING, State.ENDING):
            return []
        return self._messages.audio(self._audio.carrier, event, output["target"]["format"])

    def gone(self, sender: Hashable) -> list[Output]:
        """A socket has closed. If it carried the task's sound, the task ends with it (palabra-api 3.8)."""
        if self._audio is None or self._audio.carrier is not sender:
            return []
        self._audio, self._state = None, State.NONE
        self._unacknowledged.clear()
        return [Stop(force=True)]

    def finished(self) -> list[Output]:
        """The interpreter has spoken its last after a Stop without force."""
        return self._close() if self._state is State.ENDING else []

    # Time.

    def tick(self, now_s: float) -> list[Output]:
        """What time alone brings: readiness, queue maps, time-outs, and the faults that lose things."""
        output = self._advance(now_s)
        if self._fault("close-1008") is not None:
            output.append(Close(1008))
        if self._state is State.ENDING and now_s >= self._end_by_s:
            output += self._close()
        if self._state is not State.RUNNING:
            return output
        if self._input_timeout_s is not None and now_s >= self._heard_at_s + self._input_timeout_s:
            self._state = State.NONE
            text = f"No input audio for {self._input_timeout_s:g} s; use pause_task for intended pauses"
            return [*output, *self._messages.error(None, "SERVICE_TIMEOUT", text), Stop(force=True), Close(1008)]
        if now_s >= self._map_at_s:
            self._map_at_s = now_s + QUEUE_MAP_S
            output += self._messages.queue_map(self._queue_ms, self._settings["pipeline"]["translation_queue_configs"])
        return output

    def _advance(self, now_s: float) -> list[Output]:
        if self._state in (State.RUNNING, State.PAUSED) and self._is_lost(now_s):
            self._state = State.NONE
            return [Stop(force=True)]
        held = self._fault("never-ready") is not None or self._fault("lost-task") is not None
        if self._state is not State.STARTING or held or now_s < self._ready_at_s:
            return []
        lasts = self._fault("not-found-after")
        self._lost_at_s = math.inf if lasts is None else now_s + float(lasts)
        output: list[Output] = [self._start(now_s)]
        for event, sender in self._unacknowledged:
            output += self._acknowledge(sender, "set_task", event)
        self._unacknowledged.clear()
        return output

    def _is_lost(self, now_s: float) -> bool:
        return self._fault("lost-task") is not None or now_s >= self._lost_at_s

    def _start(self, now_s: float) -> Run:
        self._state = State.RUNNING
        self._heard_at_s = max(self._heard_at_s, now_s)
        self._map_at_s = now_s
        return self._run()

    # Commands.

    def receive(self, payload: bytes | str, now_s: float, *, sender: Hashable, may_command: bool) -> list[Output]:
        """One message of a client. `may_command` is False for a subscriber's token, which only listens.

        Whatever is wrong with it is answered by an error message; nothing is raised.
        """
        output = self._advance(now_s)
        try:
            return output + self._obey(payload, now_s, sender, may_command)
        except CommandRefused as refusal:
            return output + self._messages.error(sender, refusal.code, str(refusal))

    def _obey(self, payload: bytes | str, now_s: float, sender: Hashable, may_command: bool) -> list[Output]:
        # Of the codes here only those of settings and "not found" are documented; the others are our choice.
        kind, data = opened(payload)
        if not may_command:
            raise CommandRefused("PERMISSION_DENIED", "This token may only listen")
        command = self._commands().get(kind)
        if command is None:
            raise CommandRefused("UNKNOWN_MESSAGE_TYPE", "Unknown message_type")
        if not self._limits.allows(kind, now_s):
            raise CommandRefused("RATE_LIMIT_EXCEEDED", f"Too many {kind} messages")
        checked = data if kind in ("set_task", "input_audio_data") else task_validation.checked(kind, data)
        return command(checked, now_s, sender)

    def _commands(self) -> Commands:
        interrupt = "flush_task" if self._messages.generation == "B" else "interrupt_task"
        return {
            "set_task": self._set_task,
            "get_task": self._get_task,
            "pause_task": self._pause_task,
            "end_task": self._end_task,
            "tts_task": self._tts_task,
            "input_audio_data": self._input_audio,
            interrupt: self._interrupt_task,
        }

    def _set_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state is State.ENDING:
            raise CommandRefused(*NOT_FOUND)
        settings = task_validation.filled_in(data, refused=self._fault("refuse-language"))
        same, self._settings = settings == self._settings, settings
        self._carry(settings["input_stream"]["source"], now_s, sender)
        output = self._voice_warnings(sender)
        if self._state is State.RUNNING:
            if not same:
                output.append(self._run())
            return output + self._acknowledge(sender, "set_task", "unchanged" if same else "updated")
        event = "started" if self._state is State.NONE else "updated"
        if self._state is State.PAUSED and same:
            event = "resumed"
        if self._state is State.PAUSED and self._fault("resume-delay") is None:
            output.append(self._start(now_s))
            return output + self._acknowledge(sender, "set_task", event)
        self._unacknowledged.append((event, sender))
        if self._state is not State.STARTING:
            delay_s = self._fault("ready-delay" if self._state is State.NONE else "resume-delay")
            self._ready_at_s = now_s + float(delay_s or self._ready_delay_s)
            self._state = State.STARTING
        return output

    def _carry(self, source: dict[str, Any], now_s: float, sender: Hashable) -> None:
        if source["type"] != "ws":
            self._audio = None
        elif self._audio is None or self._audio.carrier is not sender or self._audio.source != source:
            self._audio = AudioInput(source, sender, now_s)

    def _input_audio(self, data: object, now_s: float, sender: Hashable) -> list[Output]:
        if self._state is not State.RUNNING:
            return []  # dropped without a word: the SDKs take any error before readiness for a refusal
        if self._audio is None or self._audio.carrier is not sender:
            raise CommandRefused("INVALID_MESSAGE", "input_audio_data is for streams of type ws on their own socket")
        sound, warn = self._audio.take(data, now_s)
        self._heard_at_s = now_s
        if warn:
            return [*self._messages.warning(sender, "AUDIO_STREAM_TOO_FAST", "Send audio at its own pace")]
        return [] if sound is None else [sound]

    def _get_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state not in (State.RUNNING, State.PAUSED):
            raise CommandRefused(*NOT_FOUND)
        return [*self._messages.current_task(sender, self._settings, self._state.value)]

    def _pause_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state not in (State.RUNNING, State.PAUSED):
            raise CommandRefused(*NOT_FOUND)
        self._state = State.PAUSED
        return [Pause(), *self._acknowledge(sender, "pause_task", "paused")]

    def _end_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state is State.RUNNING and not data["force"]:
            self._state = State.ENDING
            self._end_by_s = now_s + data["eos_timeout"]
            return [Stop(force=False)]
        return [Stop(force=True), *self._close()]

    def _tts_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state is not State.RUNNING:
            raise CommandRefused(*NOT_FOUND)
        if not data["translate_text"] and full_target(data["language"]) not in self._run().targets:
            raise InvalidSettings([(("language",), "Input should be a target language")], "TtsTaskRequestMessage")
        self._speak_count += 1
        language = data["language"] if data["translate_text"] else full_target(data["language"])
        speak = Speak(f"{self._speak_count:016x}", data["text"], language, data["translate_text"])
        return [speak, *self._acknowledge(sender, "tts_task", "queued", transcription_id=speak.id)]

    def _interrupt_task(self, data: dict[str, Any], now_s: float, sender: Hashable) -> list[Output]:
        if self._state is not State.RUNNING:
            raise CommandRefused(*NOT_FOUND)
        output: list[Output] = [Interrupt(tuple(full_target(language) for language in data["languages"]))]
        if data["pause_task"]:
            self._state = State.PAUSED
            output.append(Pause())
        return output + self._acknowledge(sender, "interrupt_task", "interrupted")

    def _run(self) -> Run:
        pipeline = self._settings["pipeline"]
        targets = tuple(entry["target_language"] for entry in pipeline["translations"])
        source = pipeline["transcription"]["source_language"]
        return Run(source, targets, pipeline, over_socket=self._audio is not None)

    def _voice_warnings(self, sender: Hashable) -> list[Output]:
        output: list[Output] = []
        for entry in self._settings["pipeline"]["translations"]:
            if entry["speech_generation"]["voice_id"] not in task_validation.VOICES:
                text = f"No such voice for {entry['target_language']}, the default one speaks"
                output += self._messages.warning(sender, "VOICE_NOT_FOUND", text)
        return output

    def _close(self) -> list[Output]:
        self._state = State.NONE
        self._unacknowledged.clear()
        return [*self._messages.end_of_stream(), Close(1000)]

    def _acknowledge(self, to: Hashable, command: str, event: str, **more: str) -> list[Outgoing]:
        return self._messages.acknowledge(to, command, event, self._state.value, **more)
