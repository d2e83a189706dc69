"""The journal: one record per phase change, found by `journalctl MESSAGE_ID=7b016dcf3bab49b0aa818c17cd664431`, and one
per loss of LIVE of a second or more, at its end, found by `journalctl MESSAGE_ID=0eb638864ac24f61a61871847e6aefc2`.
Low voltage and heat have two, at their begin and end: `journalctl MESSAGE_ID=518815bdeae1476791124958571b146e`.

Fields of a phase change beside the usual ones: BOOTHD_PHASE, BOOTHD_PHASE_BEFORE, BOOTHD_WANTED and BOOTHD_CONFIRMED
(names of language pairs), BOOTHD_CAUSE (the error's name), BOOTHD_CODE (what the ALERT lamp counts out), BOOTHD_DEVICE
(the sound device that is lost), BOOTHD_SESSION (the number of the session since the process began; its id is a secret).
Another fault in the same phase is a record, too. A field without a value is left out. A step that is taken again and
again in one outage is recorded ten times, and then once an hour with BOOTHD_REPEATED: so many were passed over.

Fields of a loss: BOOTHD_OUTAGE_CAUSE (one of core.errors.Cause), BOOTHD_OUTAGE_S, and BOOTHD_LIVE_AGAIN (1, or 0 when a
person ended it). Of the board: BOOTHD_BOARD (power or heat), BOOTHD_BEGAN (1 or 0), and BOOTHD_LASTED_S at the end.
Never a secret, never a caption.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from syslog import LOG_ERR, LOG_INFO, LOG_WARNING
from typing import Any

from systemd.journal import send as systemd_send

from service.core.outages import Outage
from service.core.phase import Phase
from service.core.problems import clean
from service.core.repeats import Repeats
from service.core.status import Status, summary
from service.core.temper import Change

log = logging.getLogger(__name__)

PHASE_CHANGED = "7b016dcf3bab49b0aa818c17cd664431"  # one kind of message, one id, for ever
OUTAGE = "0eb638864ac24f61a61871847e6aefc2"
BOARD = "518815bdeae1476791124958571b146e"
SOCKET = Path("/run/systemd/journal/socket")

_IN_A_SESSION = {Phase.JOINING, Phase.PREPARING, Phase.LIVE, Phase.PAUSED}
_WELL = {Phase.READY, Phase.LIVE, Phase.PAUSED}
_PRIORITIES = {Phase.FAULT: LOG_ERR, Phase.WAITING: LOG_WARNING}

Send = Callable[..., None]


def is_ours(environ: Mapping[str, str], stderr: int = 2) -> bool:
    """Whether systemd connected our stderr to its journal, and nobody has redirected it since."""
    try:
        entry = os.fstat(stderr)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{entry.st_dev}:{entry.st_ino}"


def send(message: str, **fields: Any) -> None:
    """Send one record. Raises OSError where no journal listens, which systemd's own function passes over."""
    SOCKET.stat()
    text = message.encode(errors="backslashreplace").decode()  # a lone surrogate would lose the whole record
    # With one of the CODE_ fields given it does not walk the stack and read our source to find all three.
    systemd_send(text, **{"CODE_FILE": __file__, "SYSLOG_IDENTIFIER": "boothd", **fields})


class Changes:
    """Watches the board: each change becomes a record, or a line of the log where systemd's journal is not ours."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str] = os.environ,
        send: Send = send,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ, self._send, self._clock = environ, send, clock
        self._repeats = Repeats()

    def __call__(self, before: Status, after: Status) -> None:
        """The board shows another picture."""
        record = phase_record(before, after)
        if record is None:
            return
        if after.phase in _WELL:
            self._repeats.over()
        again = self._repeats.look((before.phase, _state(after)), self._clock())
        if again is not None:
            repeated = {"BOOTHD_REPEATED": str(again)} if again else {}
            _keep(record | repeated, logging.INFO, self._environ, self._send)


def on_outage(outage: Outage, *, environ: Mapping[str, str] = os.environ, send: Send = send) -> None:
    """A loss of LIVE is over: a record, or a line of the log where systemd's journal is not ours."""
    _keep(outage_record(outage), logging.WARNING, environ, send)


def on_board(change: Change, *, environ: Mapping[str, str] = os.environ, send: Send = send) -> None:
    """Low voltage or heat begins or is over: a record, or a line of the log where systemd's journal is not ours."""
    _keep(board_record(change), logging.WARNING if change.began else logging.INFO, environ, send)


def _keep(record: dict[str, str], level: int, environ: Mapping[str, str], send: Send) -> None:
    message = record.pop("MESSAGE")
    if is_ours(environ):
        try:
            send(message, **record)
            return
        except OSError:
            pass  # the log has its own way around a journal that does not answer
    log.log(level, "%s", message)


def outage_record(outage: Outage) -> dict[str, str]:
    """The record of this loss."""
    end = "live again" if outage.live_again else "taken off air"
    return {
        "MESSAGE": f"no translation for {outage.duration_s:.1f} s, cause: {outage.cause.value}; {end}",
        "MESSAGE_ID": OUTAGE,
        "PRIORITY": str(LOG_WARNING),
        "BOOTHD_OUTAGE_CAUSE": outage.cause.value,
        "BOOTHD_OUTAGE_S": f"{outage.duration_s:.3f}",
        "BOOTHD_LIVE_AGAIN": str(int(outage.live_again)),
    }


def board_record(change: Change) -> dict[str, str]:
    """The record of this change."""
    kind = change.trouble.name.lower()
    over = {} if change.began else {"BOOTHD_LASTED_S": f"{change.lasted_s:.0f}"}
    return {
        "MESSAGE": change.trouble.value if change.began else f"{kind}: well again, after {change.lasted_s:.0f} s",
        "MESSAGE_ID": BOARD,
        "PRIORITY": str(LOG_WARNING if change.began else LOG_INFO),
        "BOOTHD_BOARD": kind,
        "BOOTHD_BEGAN": str(int(change.began)),
        **over,
    }


def phase_record(before: Status, after: Status) -> dict[str, str] | None:
    """The record of this change, None when phase and fault stayed."""
    if _state(before) == _state(after):
        return None
    wanted, confirmed, fault = after.wanted, after.confirmed, after.fault
    fields = {
        "BOOTHD_PHASE": after.phase.value,
        "BOOTHD_PHASE_BEFORE": before.phase.value,
        "BOOTHD_CAUSE": fault.name if fault else "",
        "BOOTHD_CODE": str(fault.code.value) if fault else "",
        "BOOTHD_DEVICE": fault.device if fault else "",
        "BOOTHD_SESSION": str(after.session or "") if {before.phase, after.phase} & _IN_A_SESSION else "",
        "BOOTHD_WANTED": wanted.name if wanted else "",
        "BOOTHD_CONFIRMED": confirmed.name if confirmed else "",
    }
    return {
        "MESSAGE": clean(f"{before.phase.name} -> {summary(after)}"),
        "MESSAGE_ID": PHASE_CHANGED,
        "PRIORITY": str(_PRIORITIES.get(after.phase, LOG_INFO)),
        **{name: clean(value) for name, value in fields.items() if value},
    }


def _state(status: Status) -> tuple[object, ...]:
    """What a record is about; the words of a fault may differ with each try."""
    fault = status.fault
    return status.phase, *(() if fault is None else (fault.name, fault.code, fault.device))
