import logging
import os
import socket

import pytest

from service.system.notify import Notifier, watchdog_s


class Systemd:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self):
        datagrams = []
        while True:
            try:
                datagrams.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return datagrams

    def close(self):
        self._socket.close()


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    systemd = Systemd(path)
    yield systemd
    systemd.close()


class Done(Exception):
    pass


class Loop:
    """An event loop's clock: each sleep takes its time and the delay that is due next; the last one ends the test."""

    def __init__(self, *late_s):
        self.now_s, self.slept, self._late_s = 100.0, [], list(late_s)

    def clock(self):
        return self.now_s

    async def sleep(self, duration_s):
        if not self._late_s:
            raise Done
        self.slept.append(duration_s)
        self.now_s += duration_s + self._late_s.pop(0)

    async def run(self, trouble=lambda: "", watchdog_us="3000000"):
        with pytest.raises(Done):
            await Notifier({"WATCHDOG_USEC": watchdog_us}).feed(trouble, clock=self.clock, sleep=self.sleep)


def test_the_four_words(systemd):
    notifier = Notifier({})
    notifier.ready()
    notifier.status("LIVE; EN to ES confirmed")
    notifier.stopping()
    assert systemd.heard() == ["READY=1", "STATUS=LIVE; EN to ES confirmed", "STOPPING=1"]


def test_a_status_is_one_field_in_any_script(systemd):
    notifier = Notifier({})
    notifier.status("Зал 2\nREADY=1\x1b[31m\udcff")
    assert systemd.heard() == ["STATUS=Зал 2 READY=1 [31m"]


def test_a_status_fits_into_what_systemd_reads_and_shows_no_token(systemd):
    notifier = Notifier({})
    notifier.status("wss://host?token=abc&x " + "語" * 5000)
    (said,) = systemd.heard()
    assert len(said.encode()) < 2048 and "abc" not in said


def test_a_status_is_not_repeated(systemd):
    notifier = Notifier({})
    for text in ("READY", "READY", "LIVE", "READY"):
        notifier.status(text)
    assert systemd.heard() == ["STATUS=READY", "STATUS=LIVE", "STATUS=READY"]


def test_without_systemd_nothing_happens(monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier({}).ready()
    assert not caplog.records


def test_a_deaf_systemd_is_logged_once_and_stops_nothing(systemd, tmp_path, caplog):
    notifier = Notifier({})
    systemd.close()
    notifier.ready()
    notifier.status("LIVE")
    assert len(caplog.messages) == 1 and "NOTIFY_SOCKET" in caplog.text


async def test_the_watchdog_is_fed_three_times_in_its_limit(systemd):
    loop = Loop(0, 0, 0)
    await loop.run()
    assert loop.slept == [1.0, 1.0, 1.0]
    assert systemd.heard() == ["WATCHDOG=1"] * 3


async def test_no_food_without_a_sign_of_life(systemd, caplog):
    caplog.set_level(logging.INFO)
    signs = iter(["", "uplink has stood still for 4.0 s", "the same", "", ""])
    heard = []

    def trouble():
        heard.extend(systemd.heard() or ["-"])
        return next(signs)

    loop = Loop(0, 0, 0, 0, 0)
    await loop.run(trouble)
    assert heard + systemd.heard() == ["-", "WATCHDOG=1", "-", "-", "WATCHDOG=1", "WATCHDOG=1"]
    assert caplog.messages == [
        "the watchdog is not fed: uplink has stood still for 4.0 s",
        "the watchdog is fed again",
    ]
    assert loop.slept == [1.0, 1.0, 0.15, 0.15, 1.0]


async def test_a_process_that_was_stopped_for_two_thirds_of_the_limit_lives_on(systemd):
    loop, fed_s = Loop(0, 2.0, 0, 0), [100.0]

    def trouble():
        fed_s.append(loop.now_s)
        return ""

    await loop.run(trouble)
    assert len(systemd.heard()) == len(fed_s) - 1 == 3
    assert max(after_s - before_s for before_s, after_s in zip(fed_s, fed_s[1:], strict=False)) == pytest.approx(3.15)


@pytest.mark.parametrize(("late_s", "fed"), [(0.4, 1), (0.6, 0)])
async def test_no_food_from_a_late_loop(systemd, late_s, fed, caplog):
    await Loop(late_s).run()
    assert len(systemd.heard()) == fed
    assert ("0.6 s late" in caplog.text) is not bool(fed)


async def test_lateness_is_counted_from_each_sleep_alone(systemd):
    await Loop(0.6, 0, 0.4, 0.4).run()
    assert systemd.heard() == ["WATCHDOG=1"] * 3


async def test_without_a_watchdog_feeding_waits_for_ever(systemd):
    feeding = Notifier({}).feed(str)
    waiting = feeding.send(None)
    assert not waiting.done()
    feeding.close()
    assert systemd.heard() == []


@pytest.mark.parametrize(
    ("environ", "limit_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_whose_watchdog_it_is(environ, limit_s):
    assert watchdog_s(environ, os.getpid()) == limit_s
