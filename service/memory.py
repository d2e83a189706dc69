"""What the box remembers. Over a power cut: what people wanted, what was paid, the cards' clocks. Over a crash: the
session that is still open, and when the last ones were created."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal

from service.core.backoff import RECENT_S, wait_of_a_crash_loop_s
from service.core.gpio_lines import Place, as_json
from service.core.intent import Intent
from service.core.languages import Menu
from service.system.store import LAMPS, Store
from service.system.writer import Writer

log = logging.getLogger(__name__)

INTENT = "intent.json"
PAID = "paid.json"
CLOCKS = "clocks.json"  # of the cards, in ppm: learnt in minutes, and the same tomorrow
SESSIONS = "sessions.json"
LAST_GOOD = "last-good.json"  # settings, as far as a fault is shown by them
FLUSH_S = 1.0

Autostart = Literal["off", "always", "resume"]


class Memory:
    """`state` outlives the power, `runtime` the process; both may keep nothing. Nothing here raises.

    Promises `core.ports.OpenSessions`. Ids of sessions are secrets: they stand in `runtime` alone.
    """

    def __init__(
        self, state: Store | None = None, runtime: Store | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._state, self._runtime = state or Store(None), runtime or Store(None)
        self._writer = Writer(self._state)  # the runtime directory is memory, and what stands there cannot wait
        self._clock = clock  # the same for every process until the machine is booted anew
        kept = self._runtime.load(SESSIONS)
        self._open = {str(key): str(owner) for key, owner in _mapping(kept.get("open")).items()}
        self._created_s = [float(at_s) for at_s in _list(kept.get("created_s")) if isinstance(at_s, int | float)]
        ppm = self._state.load(CLOCKS)
        self.clocks: MutableMapping[str, float] = {key: value for key, value in ppm.items() if isinstance(value, float)}
        if self._state.problem is not None:
            self.keep_clocks()  # they are learnt anew, which is nobody's affair

    @property
    def problem(self) -> str | None:
        """What cannot be kept or was lost, and why."""
        return self._state.problem or self._runtime.problem

    @property
    def folder(self) -> Path | None:
        """Where it keeps what outlives the power."""
        return self._state.directory

    def close(self) -> None:
        """Have what is still to be kept written, if that takes no time to speak of."""
        self._writer.flush(FLUSH_S)

    # -- over a power cut

    def intent(self, menu: Menu, autostart: Autostart) -> Intent:
        """What is wanted at the start: what people wanted last, if the box is to resume."""
        first = Intent(menu.pairs[0], on_air=autostart == "always")
        if autostart != "resume":
            return first
        kept = self._state.load(INTENT)
        pair = next((pair for pair in menu.pairs if pair.name == kept.get("pair")), None)
        if pair is None:
            pair = first.pair
            if "pair" in kept:
                log.warning("the pair %r of before is not in the menu any more: %s is wanted", kept["pair"], pair.name)
        return Intent(pair, on_air=kept.get("on_air") is True, paused=kept.get("paused") is True)

    def keep_intent(self, intent: Intent) -> None:
        """A person has changed it."""
        self._writer.save(INTENT, {"pair": intent.pair.name, "on_air": intent.on_air, "paused": intent.paused})

    @property
    def paid_s(self) -> float:
        """Seconds of translation that were paid, ever."""
        paid_s = self._state.load(PAID).get("paid_s")
        return float(paid_s) if isinstance(paid_s, int | float) and 0 < paid_s < math.inf else 0.0

    def keep_paid(self, paid_s: float) -> None:
        """So much now."""
        self._writer.save(PAID, {"paid_s": round(paid_s, 1)})

    def keep_clocks(self) -> None:
        """What was learnt of the cards."""
        self._writer.save(CLOCKS, self.clocks)

    def keep_last_good(self, loaded: Mapping[str, Any]) -> None:
        """By these settings a fault can be shown."""
        self._writer.save(LAST_GOOD, loaded)

    def last_good(self) -> dict[str, Any]:
        """Empty when there were none."""
        return self._state.load(LAST_GOOD)

    # -- over a crash

    def opened(self, session_id: str, owner: str) -> None:
        """The cloud has created this session for these credentials, which `owner` stands for."""
        now_s = self._clock()
        self._created_s = [*(at_s for at_s in self._created_s if now_s - at_s < RECENT_S), now_s]
        self._open[session_id] = owner
        self._keep_sessions()

    def closed(self, session_id: str) -> None:
        """It is deleted, or nobody will try again."""
        self._open.pop(session_id, None)
        self._keep_sessions()

    def left_over(self) -> dict[str, str]:
        """The sessions that an earlier process did not close, each with its owner."""
        return dict(self._open)

    def wait_s(self) -> float:
        """How long to wait before a session is asked for, after crashes that came soon after one was created."""
        return wait_of_a_crash_loop_s(self._created_s, self._clock())

    def keep_lamps(self, lamps: Mapping[str, tuple[Place, bool]]) -> None:
        """Where the lamps are, and whether a high level lights them: for who has to darken them after us."""
        self._runtime.save(
            LAMPS, {name: {**as_json(place), "active_high": high} for name, (place, high) in lamps.items()}
        )

    def _keep_sessions(self) -> None:
        self._runtime.save(SESSIONS, {"open": self._open, "created_s": self._created_s})


def _mapping(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
