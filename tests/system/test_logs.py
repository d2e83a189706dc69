import asyncio
import gc
import logging
import os
import sys
import threading
import warnings

import pytest

from service.system import journal, logs

CANARY = "s3cr3t-c4n4ry"
TOKEN = "eyJhbGciOi.JIUzI1NiJ9.c4n4ry"
log = logging.getLogger("service.some.part")


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Logging belongs to the process: whatever a test sets up is undone."""
    monkeypatch.setattr(logging.root, "handlers", [])
    loggers = [logging.root, *map(logging.getLogger, logs.LIBRARIES)]
    levels = [logger.level for logger in loggers]
    for hooks in (sys, threading):
        monkeypatch.setattr(hooks, "excepthook", hooks.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    with warnings.catch_warnings():
        yield
        logging.captureWarnings(False)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Records(list):
    """A journal that keeps what it was sent."""

    def __call__(self, message, **fields):
        self.append({"MESSAGE": message, **fields})


@pytest.fixture
def records(monkeypatch):
    """Set up as under systemd; what the journal gets."""
    records = Records()
    monkeypatch.setattr(logs.journal, "is_ours", lambda environ: True)
    logs.set_up(environ={}, secrets=[CANARY])
    logging.root.handlers[0]._send = records
    return records


def test_lines_at_a_terminal(capsys):
    logs.set_up(environ={})
    log.info("joined %s", "room")
    log.debug("not this")
    assert capsys.readouterr().err == "INFO service.some.part: joined room\n"


def test_set_up_again_replaces_all(capsys):
    logs.set_up(environ={}, level="debug")
    logs.set_up(environ={}, level="warning", secrets=[CANARY])
    log.info("not this")
    log.warning("once %s", CANARY)
    assert capsys.readouterr().err == "WARNING service.some.part: once [hidden]\n"


def test_a_record_of_the_journal(records):
    log.warning("line-in is lost: %s", "gone")
    (record,) = records
    assert record.pop("CODE_LINE") > 0
    assert record == {
        "MESSAGE": "line-in is lost: gone",
        "PRIORITY": "4",
        "LOGGER": "service.some.part",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_a_record_of_the_journal",
    }


def test_a_journal_that_does_not_answer_is_gone_around(records, capsys):
    def refuse(message, **fields):
        raise ConnectionRefusedError

    logging.root.handlers[0]._send = refuse
    log.error("two\nlines %s", CANARY)
    assert capsys.readouterr().err == "<3>service.some.part: two\n<3>service.some.part: lines [hidden]\n"


def by_message():
    log.info(f"with {CANARY} in it")


def by_argument():
    log.info("%s and %r", CANARY, {"Authorization": f"Bearer {TOKEN}"})


def by_mapping():
    log.info("%(secret)s", {"secret": CANARY})


def by_arguments_that_do_not_fit():
    log.info(f"%d {TOKEN}", CANARY)


def by_url():
    log.info("to %s", "wss://host/rtc?access_token=c4n4ry.1&sdk=go")


def by_api_key():
    log.info("plbr_c4n4ry")


def by_exception():
    try:
        try:
            raise ValueError(TOKEN)
        except ValueError as error:
            raise RuntimeError(f"refused {CANARY}") from error
    except RuntimeError:
        log.exception("caught")


def by_excepthook():
    try:
        raise RuntimeError(CANARY)
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)


def by_thread():
    def run():
        raise RuntimeError(CANARY)

    thread = threading.Thread(target=run, name="capture")
    thread.start()
    thread.join()


def by_destructor():
    class Fragile:
        def __del__(self):
            raise RuntimeError(CANARY)

    Fragile()


def by_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn(CANARY, stacklevel=1)


def by_lost_task():
    async def refused():
        raise RuntimeError(CANARY)

    async def main():
        asyncio.ensure_future(refused())  # noqa: RUF006  -- losing it is the point
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())


def by_callback():
    def refused(token):
        raise RuntimeError(CANARY)

    async def main():
        asyncio.get_running_loop().call_soon(refused, TOKEN)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())


ROADS = [
    by_message,
    by_argument,
    by_mapping,
    by_arguments_that_do_not_fit,
    by_url,
    by_api_key,
    by_exception,
    by_excepthook,
    by_thread,
    by_destructor,
    by_warning,
    by_lost_task,
    by_callback,
]


@pytest.mark.parametrize("road", ROADS)
def test_no_secret_gets_into_the_journal(road, records, capfd):
    road()
    assert records and "[hidden]" in str(records)
    assert "c4n4ry" not in str(records) + "".join(capfd.readouterr())


@pytest.mark.parametrize("road", ROADS)
def test_no_secret_gets_to_stderr(road, capfd):
    logs.set_up(environ={}, secrets=[CANARY])
    road()
    out = "".join(capfd.readouterr())
    assert "[hidden]" in out and "c4n4ry" not in out


def test_a_secret_that_begins_with_another_leaves_no_rest(capsys):
    logs.set_up(environ={}, secrets=["alpha", "", "alpha-beta"])
    log.info("alpha-beta, alpha, plain")
    assert capsys.readouterr().err == "INFO service.some.part: [hidden], [hidden], plain\n"


def test_a_traceback_keeps_its_lines(capsys):
    logs.set_up(environ={}, secrets=[CANARY])
    by_exception()
    err = capsys.readouterr().err
    assert err.startswith("ERROR service.some.part: caught\nTraceback (most recent call last):\n")
    assert "RuntimeError: refused [hidden]\n" in err and "by_exception" in err


def test_a_thread_may_leave_by_system_exit(capsys):
    logs.set_up(environ={})
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("trace", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ("debug", ["INFO", "WARNING", "ERROR"]),
        ("info", ["WARNING", "ERROR"]),
        ("error", ["ERROR"]),
    ],
)
@pytest.mark.parametrize("library", ["aiortc.rtcpeerconnection", "aioice.ice", "aiohttp.access"])
def test_libraries_are_quiet_and_tell_their_details_only_where_they_are_asked_for(level, shown, library, capsys):
    logs.set_up(environ={}, level=level)
    for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
        logging.getLogger(library).log(getattr(logging, name), "x")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == shown


def test_what_a_session_brings_is_hidden_from_then_on(capsys):
    logs.set_up(environ={}, level="trace")
    logs.KNOWN.learn(["session-4711-canary"])
    logging.getLogger("aiohttp.client").debug("DELETE %s", "/sessions/session-4711-canary")
    logging.getLogger("aiortc.rtcpeerconnection").debug("setLocalDescription(%s)\n%s", "offer", "a=ice-pwd:c4n4ry\r\n")
    assert capsys.readouterr().err == (
        "DEBUG aiohttp.client: DELETE /sessions/[hidden]\n"
        "DEBUG aiortc.rtcpeerconnection: setLocalDescription(offer)\na=ice-pwd:[hidden]\r\n\n"
    )


def test_stderr_decides_where_records_go(tmp_path, capsys):
    entry = os.fstat(2)
    logs.set_up(environ={"JOURNAL_STREAM": f"{entry.st_dev}:{entry.st_ino}"})
    assert isinstance(logging.root.handlers[0], logs.JournalHandler)
    assert logging.root.handlers[0]._send is journal.send
    logs.set_up(environ={"JOURNAL_STREAM": "1:1"})
    assert not isinstance(logging.root.handlers[0], logs.JournalHandler)
