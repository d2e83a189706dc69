"""Composition root of the desk: the sandbox's process, the box on mock pins, keys or a script for fingers, a report."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from service import settings
from service.app import open_box
from service.board import Board
from service.box import Box, run_box
from service.concurrency import first_of
from service.core import lamps
from service.core.captions import Caption
from service.core.errors import CloudUnreachable, FaultCode
from service.core.exit_codes import OF_FAULTS
from service.core.phase import Phase
from service.core.status import Status
from service.demo.fingers import Fingers, keyboard
from service.demo.report import Report, save
from service.demo.sandbox_process import Address, sandbox_process
from service.demo.screen import Picture, Screen
from service.demo.script import Press
from service.gpio.pins import Pins
from service.system import logs

SOURCE = "en"
PINS = {"lang": 17, "live": 27, "mute": 22}
LAMPS = {"link": 5, "live": 6, "alert": 13}
LANGUAGE_LAMPS = (19, 26, 20, 21)
NEVER_LIVE_S = 30.0
GIVE_UP_S = 3.0  # a fault that stands so long before the first LIVE will not go away by itself
TAIL_S = 2.5  # silence after the last translation; recognising and speaking one takes 0.5 s
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of the demo; None where nothing was said."""

    line_in: str | None = None
    line_out: str = "wav:boothd-demo.wav"
    seconds: float | None = None
    script: tuple[Press, ...] = ()
    report: Path | None = None
    targets: tuple[str, ...] = ("es", "fr", "de", "it")


def bundled_recording() -> str:
    """The line-in of a demo that names none."""
    return f"wav:{files('service.sandbox').joinpath('speech.flac')}"


async def run(options: Options) -> int:
    """Play the demo; the exit code of appliance 5.5."""
    try:
        async with sandbox_process() as sandbox:
            return await _Desk(options, sandbox).run()
    except CloudUnreachable as problem:
        sys.stderr.write(f"boothd demo: {problem}\n")
        return OF_FAULTS[FaultCode.NETWORK]


class _Desk:
    """One demo, from the start of the box to its report."""

    def __init__(self, options: Options, sandbox: Address) -> None:
        self._options, self._sandbox = options, sandbox
        self._line_in = options.line_in or bundled_recording()
        self._board = Board(hide=logs.KNOWN.hide)
        self._report = Report(line_out=options.line_out, started_s=time.monotonic())
        self._over = asyncio.Event()
        self._screen = Screen(title=self._title(), keys=sys.stdin.isatty())

    def _title(self) -> str:
        return (
            f"boothd demo: {self._line_in} in {SOURCE} to {', '.join(self._options.targets)}, "
            f"heard in {self._options.line_out}; {self._sandbox.interpreter}"
        )

    async def run(self) -> int:
        """Until it is over; what happened is written and summed up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        pins = Pins("mock")
        with tempfile.TemporaryDirectory(prefix="boothd-demo-") as folder:
            loaded = self._settings(Path(folder) / "control.sock")
            async with open_box(loaded, board=self._board, pins=pins, on_caption=self._on_caption) as box:
                self._board.watch(self._on_status)
                code = await self._play(box, Fingers({name: pins.pin(pin) for name, pin in PINS.items()}))
        self._write(box)
        return code

    def _settings(self, socket: Path) -> settings.Settings:
        """The settings of a box that stands on this desk, checked as those of any other."""
        pairs = [
            {"name": f"{SOURCE} to {target}", "source": SOURCE, "target": target} for target in self._options.targets
        ]
        environ = {
            "BOOTHD_PALABRA__BASE_URL": self._sandbox.url,
            "BOOTHD_PAIR": json.dumps(pairs),
            "BOOTHD_AUDIO__INPUT__DEVICE": self._line_in,
            "BOOTHD_AUDIO__OUTPUT__DEVICE": self._options.line_out,
            "BOOTHD_HTTP__SOCKET": str(socket),
            "PALABRA_CLIENT_ID": self._sandbox.client_id,
            "PALABRA_CLIENT_SECRET": self._sandbox.client_secret,
        }
        for name, pin in PINS.items():
            environ[f"BOOTHD_BUTTONS__{name.upper()}"] = json.dumps({"pin": pin})
        for name, pin in LAMPS.items():
            environ[f"BOOTHD_LAMPS__{name.upper()}"] = json.dumps({"pin": pin})
        language_pins = [{"pin": pin} for pin in LANGUAGE_LAMPS[: len(pairs)]]
        environ["BOOTHD_LAMPS__LANGUAGES"] = json.dumps(language_pins)
        return settings.load(None, environ=environ, for_run=True)

    async def _play(self, box: Box, fingers: Fingers) -> int:
        running = asyncio.create_task(run_box(box))
        try:
            with self._screen:
                async with keyboard(fingers.press, self._over.set):
                    await first_of(
                        self._draw(box),
                        self._follow_script(fingers),
                        self._until_over(box),
                        self._over.wait(),
                        _watch(running),
                    )
            return self._exit_code()
        finally:
            self._board.unwatch(self._on_status)
            box.conductor.stopping()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    # -- what happens -------------------------------------------------------------------------------------------

    def _on_status(self, _: Status, status: Status) -> None:
        now_s = time.monotonic()
        self._report.status(status, now_s)
        self._report.lamp_patterns(_patterns(status), now_s)

    def _on_caption(self, caption: Caption) -> None:
        now_s = time.monotonic()
        self._report.caption(caption, now_s)
        self._screen.caption(caption, self._t_s(now_s))

    def _t_s(self, now_s: float) -> float:
        zero_s = self._report.first_live_s
        return now_s - (self._report.started_s if zero_s is None else zero_s)

    async def _draw(self, box: Box) -> None:
        while True:
            self._screen.show(
                Picture(
                    t_s=self._t_s(time.monotonic()),
                    status=self._board.status,
                    patterns=_patterns(self._board.status),
                    lit=box.lamps.lit,
                    line_in=box.capture.level,
                    line_out=box.line_out.level,
                )
            )
            await asyncio.sleep(LOOK_S)

    async def _follow_script(self, fingers: Fingers) -> None:
        """Go live by the LIVE button, then press what the script says."""
        await self._board.until(lambda status: status.phase is Phase.READY and not status.lamp_test)
        fingers.press("live")
        await self._board.until(lambda status: status.phase is Phase.LIVE)
        live_s = self._report.first_live_s
        assert live_s is not None  # the report watches the same board
        for press in self._options.script:
            await asyncio.sleep(max(0.0, live_s + press.at_s - time.monotonic()))
            fingers.press(press.word)
        await asyncio.Event().wait()

    # -- how it ends --------------------------------------------------------------------------------------------

    async def _until_over(self, box: Box) -> None:
        """The time is over, the last translation has been heard, or nothing will come of it any more."""
        troubled_s = 0.0
        ended_s: float | None = None
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            live_s = self._report.first_live_s
            in_trouble = self._board.status.phase in (Phase.FAULT, Phase.WAITING)
            troubled_s = troubled_s + LOOK_S if in_trouble else 0.0
            if box.recording_ended.is_set() and ended_s is None:
                ended_s = now_s
            if live_s is None:
                hopeless = self._board.status.phase is Phase.FAULT and troubled_s > GIVE_UP_S
                if hopeless or now_s - self._report.started_s > NEVER_LIVE_S + (self._options.seconds or 0.0):
                    return
            elif self._options.seconds is not None:
                if now_s - live_s >= self._options.seconds:
                    return
            elif troubled_s > NEVER_LIVE_S or (ended_s is not None and self._all_heard(box, ended_s, now_s)):
                return

    def _all_heard(self, box: Box, ended_s: float, now_s: float) -> bool:
        script_s = self._options.script[-1].at_s if self._options.script else 0.0
        assert self._report.first_live_s is not None
        latest_s = max(ended_s, self._report.first_live_s + script_s, box.line_out.last_voice_s or 0.0)
        return not any(self._board.status.queue_level_ms.values()) and now_s - latest_s > TAIL_S

    def _exit_code(self) -> int:
        status = self._board.status
        if self._over.is_set():
            return 0  # a person ended it
        if self._report.first_live_s is not None and status.phase not in (Phase.FAULT, Phase.WAITING):
            return 0
        sys.stderr.write(f"boothd demo: {status.fault.detail if status.fault else 'it never went live'}\n")
        return OF_FAULTS[status.fault.code if status.fault else FaultCode.NETWORK]

    def _write(self, box: Box) -> None:
        report = self._report.write(frames=box.frames(), xruns=box.xruns())
        if self._options.report is not None:
            save(report, self._options.report)
        translated = sum(row["kind"] == "translated_transcription" for row in report["captions"])
        self._screen.line(
            f"{translated} translations, live after {report['time_to_live_s']} s; frames {report['frames']}, "
            f"xruns {report['xruns']}; listen to {self._options.line_out}"
        )


def _patterns(status: Status) -> dict[str, str]:
    return {name: pattern.name for name, pattern in lamps.patterns(status).items()}


async def _watch(running: asyncio.Task[None]) -> None:
    """Ends, and raises, when the box does."""
    await asyncio.shield(running)
