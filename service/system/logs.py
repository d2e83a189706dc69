"""Logging, set up once: where lines go, how much of them, and no secret in any of them.

systemd's own JournalHandler is not used: it adds the raw arguments of every record as CODE_ARGS, behind the back of
any formatter, and drops records whose `extra` meets a field of its own.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Mapping

from systemd.journal import JournalHandler as SystemdHandler

from service.core.redaction import Secrets
from service.system import journal

log = logging.getLogger(__name__)

# At "debug" these stay at INFO: aiortc would print each packet and the SDP, aioice each STUN message, which is what
# "trace" is for. Otherwise WARNING: aioice's INFO is a dozen lines for every join.
LIBRARIES = ("aiohttp", "aiortc", "aioice")
KNOWN = Secrets()  # as logging is, the process's own


def set_up(*, environ: Mapping[str, str], level: str = "info", secrets: Iterable[str] = ()) -> None:
    """Send every record of the process to systemd's journal where it is ours, else to stderr, without `secrets`.

    `level` is trace, debug, info, warning or error. Call it first of all, and again when settings and credentials are
    known. Errors that nobody caught become records too; asyncio hands over its own.
    """
    native = journal.is_ours(environ)
    handler = JournalHandler() if native else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s" if native else "%(levelname)s %(name)s: %(message)s"))
    KNOWN.keep(secrets)
    handler.addFilter(Redaction())
    least = {"trace": logging.DEBUG, "debug": logging.INFO}.get(level, logging.WARNING)
    logging.basicConfig(level="DEBUG" if level == "trace" else level.upper(), handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(least, logging.root.level))
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _uncaught(error)
    threading.excepthook = lambda hook: _uncaught(hook.exc_value)
    sys.unraisablehook = lambda hook: _uncaught(hook.exc_value)


class Redaction(logging.Filter):
    """Rewrites records: text, arguments and traceback become one text each, with what is `KNOWN` hidden.

    Stands on a handler, since a logger's filter does not see what comes from the loggers below.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        try:
            text = record.getMessage()
        except Exception:  # Python would print the arguments raw, to stderr
            text = f"{record.msg} (its arguments do not fit)"
        record.msg, record.args = KNOWN.hide(text), None
        if record.exc_info:
            record.exc_text, record.exc_info = logging.Formatter().formatException(record.exc_info), None
        if record.exc_text:
            record.exc_text = KNOWN.hide(record.exc_text)
        if record.stack_info:
            record.stack_info = KNOWN.hide(record.stack_info)
        return True


class JournalHandler(logging.Handler):
    """One record of the journal per record; through stderr, which is the journal's as well, when it does not answer."""

    def __init__(self, *, send: journal.Send = journal.send) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, with the place it came from and without its arguments."""
        try:
            text, priority = self.format(record), SystemdHandler.map_priority(record.levelno)
            place = {"CODE_FILE": record.pathname, "CODE_LINE": record.lineno, "CODE_FUNC": record.funcName}
            try:
                self._send(text, PRIORITY=str(priority), LOGGER=record.name, **place)
            except OSError:
                sys.stderr.writelines(f"<{priority}>{record.name}: {line}\n" for line in text.splitlines())
        except Exception:
            self.handleError(record)


def _uncaught(error: BaseException | None) -> None:
    if not isinstance(error, SystemExit):  # a thread may end itself by it
        log.critical("nobody caught this, in thread %s", threading.current_thread().name, exc_info=error)
