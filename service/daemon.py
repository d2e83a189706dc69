"""`boothd run`: the box under systemd. Stays up whatever stands in the settings file, and heals when it is mended."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from service import pictures, settings
from service.app import open_box, open_lamps
from service.board import Board
from service.box import Box, run_box
from service.concurrency import first_of
from service.core.captions import Caption
from service.core.errors import BadSettings, NeedsPerson
from service.core.phase import Phase
from service.core.status import Fault, as_json, status_line
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins, kind_of
from service.memory import Memory
from service.settings import BadCredentials, Settings
from service.settings.watch import Fingerprint
from service.system import journal, logs
from service.system.notify import Notifier
from service.system.store import OVER_A_CRASH, Store
from service.web import server
from service.web.answers import Unavailable
from service.web.routes import table

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often the files are looked at; what is mended holds within 2 s
RETRY_S = 10.0  # what is not in the files, such as a pin without rights, may have been mended meanwhile


class Daemon:
    """One process's life. `run` returns after SIGTERM or SIGINT, with the session ended and the room left."""

    def __init__(self, config: Path, *, environ: Mapping[str, str]) -> None:
        self._config, self._environ = config, environ
        self._board = Board(hide=logs.KNOWN.hide)
        self._notifier = Notifier(environ)
        self._memory = Memory(Store.of_unit(environ, "STATE_DIRECTORY"), Store.of_unit(environ, *OVER_A_CRASH))
        self._box: Box | None = None

    async def run(self) -> None:
        """Until a signal."""
        main = asyncio.current_task()
        assert main is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, main)
        self._board.watch(journal.Changes(environ=self._environ))
        self._board.watch(lambda before, after: self._notifier.status(status_line(after)))
        try:
            await first_of(self._notifier.feed(self._trouble), self._rounds())
        except asyncio.CancelledError:
            pass  # by _stop
        finally:
            self._memory.close()

    def _stop(self, main: asyncio.Task[None]) -> None:
        self._notifier.stopping()
        if self._box is not None:
            self._box.conductor.stopping()
        main.cancel()

    def _trouble(self) -> str:
        return "" if self._box is None else self._box.vigil.trouble(time.monotonic())

    async def _rounds(self) -> None:
        while True:
            await self._round()

    async def _round(self) -> None:
        """From one reading of the settings until they have to be read again."""
        seen = self._fingerprint()
        try:
            loaded = settings.load(self._config, environ=self._environ, for_run=True)
        except BadSettings as mistakes:
            await self._stand_in_fault(mistakes, seen, limit_s=math.inf)
            return
        secrets = [secret.get_secret_value() for _, secret in loaded.credentials if secret is not None]
        logs.set_up(environ=self._environ, level=loaded.log.level, secrets=secrets)
        self._board.update(phase=Phase.STARTING, fault=None, settings_notice=None)
        async with AsyncExitStack() as stack:
            try:
                opening = open_box(
                    loaded,
                    board=self._board,
                    pins=Pins(kind_of(self._environ)),
                    on_caption=_captions(loaded),
                    memory=self._memory,
                )
                box = await stack.enter_async_context(opening)
            except NeedsPerson as mistake:
                await self._stand_in_fault(mistake, seen, limit_s=RETRY_S)
                return
            self._memory.keep_last_good(_to_show_faults(loaded))
            await self._run_box(box, loaded, seen)

    async def _run_box(self, box: Box, loaded: Settings, seen: Fingerprint) -> None:
        self._box = box
        self._notifier.ready()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run_box(box))
                tasks.create_task(self._watch_settings(loaded, seen))
        finally:
            self._box = None

    async def _watch_settings(self, running: Settings, seen: Fingerprint) -> None:
        """Nothing of a change is taken over while the box runs: it is said that a restart is needed."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._fingerprint()
            if now != seen:
                seen = now
                notice = self._notice(running)
                log.warning("%s", notice or "the settings are again those that run")
                self._board.update(settings_notice=notice)

    def _notice(self, running: Settings) -> str | None:
        try:
            changed = settings.differences(running, settings.load(self._config, environ=self._environ, for_run=True))
        except BadSettings as mistakes:
            return f"the settings were changed and have mistakes, the old ones stay in force: {mistakes}"
        return f"restart needed: {', '.join(changed)} changed" if changed else None

    # -- with settings that cannot be used ----------------------------------------------------------------------

    async def _stand_in_fault(self, mistake: NeedsPerson, seen: Fingerprint, *, limit_s: float) -> None:
        """Show the fault by what the settings still say, or the last good ones said, until the files change or the time
        is over."""
        for line in str(mistake).splitlines():
            log.error("%s", line)
        fault = Fault(mistake.code, type(mistake).__name__, str(mistake))
        self._board.update(phase=Phase.FAULT, fault=fault)
        last_good = mistake.others if isinstance(mistake, BadCredentials) else self._last_good()
        async with AsyncExitStack() as stack:
            try:
                stack.enter_context(self._lamps_of(last_good))
            except NeedsPerson as problem:
                log.warning("no lamps: %s", problem)
            try:
                routes = table(_Fault(self._board), watch=self._board.watched)
                app = server.application(routes)
                await stack.enter_async_context(server.serve(app, Path(last_good.http.socket)))
            except BadSettings as problem:
                log.warning("no local control: %s", problem)
            self._notifier.ready()
            until_s = time.monotonic() + limit_s
            while self._fingerprint() == seen and time.monotonic() < until_s:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(LOOK_S)

    def _lamps_of(self, kept: Settings) -> AbstractContextManager[Lamps]:
        return open_lamps(kept.lamps, board=self._board, pins=Pins(kind_of(self._environ)), memory=self._memory)

    def _last_good(self) -> Settings:
        """What is needed to show a fault: lamps and socket of the settings that worked last, else the defaults."""
        kept = self._memory.last_good()
        try:
            return Settings.model_validate(kept) if kept else settings.defaults(self._environ)
        except ValidationError:
            return settings.defaults(self._environ)

    def _fingerprint(self) -> Fingerprint:
        return settings.fingerprint(self._config, environ=self._environ)


def _to_show_faults(loaded: Settings) -> dict[str, Any]:
    return {"lamps": loaded.lamps.model_dump(mode="json"), "http": loaded.http.model_dump(mode="json")}


class _Fault:
    """What is served of a box whose settings cannot be used; promises `web.routes.Served`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def picture(self) -> dict[str, Any]:
        return as_json(self._board.status)

    def devices(self) -> dict[str, Any]:
        return pictures.devices(None)

    def levels(self, _: object = None) -> NoReturn:
        fault = self._board.status.fault
        assert fault is not None  # else somebody else is served
        raise Unavailable(f"the box does nothing while its settings cannot be used: {fault.detail}")

    menu = tone = ask = levels


def _captions(loaded: Settings) -> Callable[[Caption], None]:
    """What people said goes nowhere, unless the settings ask for it."""
    if not loaded.log.captions:
        return lambda caption: None
    return lambda caption: log.info("caption %s %s: %s", caption.kind, caption.language, caption.text)
