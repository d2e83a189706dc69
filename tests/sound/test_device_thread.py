"""The thread's life, told on the test's own thread and in the time of a fake clock."""

import logging
import os
import queue
import resource
import threading
import time

import pytest

from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.sound.device_thread import DeviceThread
from service.sound.pcm import DeviceLost
from tests.fakes.sound import Clock


class Device:
    """Serves as many periods as its script says, then does what stands at the script's end: None gives it back."""

    def __init__(self, periods: int, end: Exception | None) -> None:
        self.periods, self.end = periods, end
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class Story:
    """A DeviceThread, the devices it will find in turn, and what happened at which time."""

    def __init__(self, *openings: Device | Exception) -> None:
        self.clock = Clock(0.0)
        self.openings = list(openings)
        self.opened: list[float] = []
        self.lost_ticks: list[float] = []
        self.heartbeats: list[float] = []
        self.faults: list[str] = []
        self.left: list[Device] = []
        self.thread = DeviceThread(
            name="line-in",
            code=FaultCode.SOUND_IN,
            open_pcm=self.open,
            serve=self.serve,
            take_leave=self.leave,
            while_lost=self.tick,
            clock=self.clock,
            pause=self.clock.sleep,
            chance=lambda: 0.5,
        )

    def open(self) -> Device:
        self.opened.append(round(self.clock(), 2))
        if not self.openings:
            self.thread._stop.set()
            raise DeviceLost("the story is over")
        opening = self.openings.pop(0)
        if isinstance(opening, Exception):
            raise opening
        return opening

    def serve(self, device: Device):
        for _ in range(device.periods):
            self.clock.sleep(0.010)
            yield
        if device.end is not None:
            raise device.end

    def leave(self, device: Device) -> None:
        assert not device.closed
        self.left.append(device)

    def tick(self) -> None:
        self.lost_ticks.append(self.clock())
        self.heartbeats.append(self.thread.last_period_s)
        fault = f"{type(self.thread.fault).__name__}: {self.thread.fault}"
        if fault not in self.faults[-1:]:
            self.faults.append(fault)

    def told(self) -> "Story":
        self.thread.run()
        return self


GONE = DeviceLost("no such device")


def test_a_card_that_never_was_there_is_missing_and_one_that_was_is_lost():
    story = Story(GONE, Device(3, DeviceLost("unplugged")), GONE).told()
    assert story.faults == [
        "SoundCardMissing: no such device",
        "SoundCardLost: unplugged",
        "SoundCardLost: no such device",
    ]
    assert story.thread.fault.code is FaultCode.SOUND_IN
    assert story.thread.reopens == 1


def test_what_a_person_must_mend_keeps_its_name():
    story = Story(Device(1, DeviceLost("gone")), SoundCardMissing("44100 Hz", code=FaultCode.SOUND_OUT)).told()
    assert story.faults[-1] == "SoundCardMissing: 44100 Hz"


def test_tries_come_after_half_a_second_one_two_and_then_every_two_seconds():
    story = Story(GONE, GONE, GONE, GONE, Device(5, GONE)).told()
    assert story.opened == pytest.approx([0.0, 0.5, 1.5, 3.5, 5.5, 6.05], abs=0.05)


def test_a_device_that_opens_and_gives_nothing_is_not_back_and_is_waited_for():
    story = Story(GONE, Device(0, GONE), Device(0, GONE)).told()
    assert story.opened == [0.0, 0.5, 1.5, 3.5]
    assert story.thread.reopens == 0


@pytest.mark.parametrize(("chance", "second_s"), [(0.0, 0.4), (1.0, 0.6)])
def test_a_hundred_boxes_do_not_try_in_step(chance, second_s):
    story = Story(GONE)
    story.thread._chance = lambda: chance
    assert story.told().opened == [0.0, second_s]


def test_every_20_ms_of_a_loss_are_ticked_and_the_heart_beats_on():
    story = Story(Device(1, GONE)).told()
    assert story.lost_ticks == pytest.approx([0.03 + 0.02 * n for n in range(25)])
    assert story.heartbeats == pytest.approx(story.lost_ticks)


def test_every_device_is_closed():
    devices = [Device(1, GONE), Device(0, ZeroDivisionError()), Device(2, GONE)]
    Story(*devices).told()
    assert all(device.closed for device in devices)


def test_a_stop_takes_leave_of_the_device_and_a_loss_does_not():
    lost, stopped = Device(3, GONE), Device(3, GONE)
    story = Story(lost, stopped)
    serve = story.thread._serve

    def serve_until_stopped(device):
        for number, _ in enumerate(serve(device)):
            if device is stopped and number == 1:
                story.thread._stop.set()
            yield

    story.thread._serve = serve_until_stopped
    assert story.told().left == [stopped] and stopped.closed


def test_a_device_that_is_given_back_is_opened_again_at_once_and_was_not_lost(caplog):
    first = Device(5, None)
    story = Story(first, Device(5, GONE)).told()
    assert story.opened == [0.0, 0.05, 0.6]
    assert first.closed
    assert story.thread.reopens == 0
    assert [record.getMessage() for record in caplog.records] == ["line-in is lost: no such device"]


def test_a_change_is_logged_once(caplog):
    caplog.set_level(logging.INFO)
    Story(Device(1, GONE), GONE, GONE, Device(1, GONE)).told()
    assert [record.getMessage() for record in caplog.records] == [
        "line-in is lost: no such device",
        "line-in is back",
        "line-in is lost: no such device",
    ]


def test_one_bug_opens_the_device_again_at_once_and_is_told_with_its_traceback(caplog):
    story = Story(Device(5, ZeroDivisionError("oops")), Device(5, GONE)).told()
    assert story.opened == [0.0, 0.05, 0.6]
    assert story.faults == ["SoundCardLost: no such device"]
    (bug,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert bug.exc_info[0] is ZeroDivisionError


def test_the_third_bug_within_a_second_is_a_lost_device_and_the_log_is_not_flooded(caplog):
    story = Story(*(Device(0, ZeroDivisionError("oops")) for _ in range(6))).told()
    assert story.opened[:4] == [0.0, 0.0, 0.0, 0.5]
    assert story.faults[0].startswith("SoundCardLost: line-in: a bug")
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_a_bug_in_what_came_back_is_the_new_reason_and_is_waited_for():
    story = Story(GONE, Device(0, ZeroDivisionError("oops"))).told()
    assert story.faults[1].startswith("SoundCardLost: line-in: a bug")
    assert story.opened == pytest.approx([0.0, 0.5, 1.5], abs=0.05)


def test_a_bug_in_what_runs_while_it_is_lost_does_not_end_the_thread_or_spin():
    story = Story(GONE)
    ticks = []

    def tick() -> None:
        ticks.append(story.clock())
        if len(ticks) == 30:
            story.thread._stop.set()
        raise ZeroDivisionError

    story.thread._while_lost = tick
    story.told()
    assert ticks == pytest.approx([0.02 * n for n in range(1, 31)])


# -- a device that hangs ----------------------------------------------------------------------------------------------


class Hanging:
    """A device that gives periods while `answers` are put in, and holds its thread meanwhile."""

    def __init__(self) -> None:
        self.answers: queue.SimpleQueue[None | Exception] = queue.SimpleQueue()
        self.served = 0
        self.closed = threading.Event()

    def serve(self):
        while True:
            answer = self.answers.get()
            if answer is not None:
                raise answer
            yield
            self.served += 1

    def close(self) -> None:
        self.closed.set()


class Exclusive(Hanging):
    """Only one may have it open."""

    def __init__(self) -> None:
        super().__init__()
        self.seized_by: list[threading.Thread] = []

    def seize(self) -> None:
        self.seized_by.append(threading.current_thread())


class Desk:
    """A DeviceThread whose clock stands still unless `sleep` lets it pass, as a supervisor does."""

    def __init__(self, priority: int | None = None) -> None:
        self.clock = Clock(0.0)
        self.openings: queue.SimpleQueue[Hanging | Exception] = queue.SimpleQueue()
        self.ticks = threading.Semaphore(0)
        self.thread = DeviceThread(
            name="line-in",
            code=FaultCode.SOUND_IN,
            open_pcm=self.open,
            serve=Hanging.serve,
            clock=self.clock,
            pause=lambda duration_s: self.ticks.acquire(),
            priority=priority,
        )
        self.thread.start()

    def open(self) -> Hanging:
        opening = self.openings.get()
        while self.ticks.acquire(blocking=False):
            pass
        if isinstance(opening, Exception):
            raise opening
        return opening

    def device(self, *, periods: int = 1, kind: type[Hanging] = Hanging) -> Hanging:
        """One that is opened, gives so many periods and then hangs."""
        device = kind()
        self.openings.put(device)
        for _ in range(periods):
            device.answers.put(None)
        until(lambda: device.served == periods)
        return device

    def sleep(self, duration_s: float) -> None:
        for _ in range(round(duration_s / 0.1)):
            self.clock.sleep(0.1)
            self.thread.supervise()

    def end(self) -> None:
        """All threads end; those that hang have been let go."""
        self.thread._stop.set()
        self.ticks.release(150)
        for _ in range(5):
            self.openings.put(DeviceLost("over"))
        for thread in (*self.thread._held, self.thread._thread):
            thread.join(5)
            assert not thread.is_alive()

    def wait_over(self) -> None:
        """Let the wait before the next opening pass."""
        self.clock.sleep(10.0)
        self.thread.supervise()
        self.ticks.release(150)  # 3 s


def until(condition) -> None:
    end_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.end()


def test_a_thread_that_is_held_is_given_up_within_two_seconds_and_another_has_the_device(desk):
    first = desk.device()
    desk.sleep(1.7)
    assert desk.thread.fault is None
    desk.sleep(0.2)
    assert str(desk.thread.fault) == "line-in: the device does not answer; unplug it and plug it in again"
    assert isinstance(desk.thread.fault, SoundCardLost)
    desk.wait_over()
    second = desk.device()
    assert desk.thread.fault is None
    assert desk.thread.reopens == 1
    first.answers.put(None)  # now it lets go
    assert first.closed.wait(5)
    assert first.served == 1
    assert not second.closed.is_set()
    second.answers.put(GONE)


def test_from_a_thread_that_is_given_up_its_device_is_taken_by_the_next_one(desk):
    first = desk.device(kind=Exclusive)
    desk.sleep(1.7)
    assert not first.seized_by
    desk.sleep(0.2)
    until(lambda: first.seized_by)
    assert first.seized_by == [desk.thread._thread]
    first.answers.put(None)


def test_a_thread_that_goes_round_without_doing_anything_is_held_as_well(desk):
    done = [0]
    desk.thread._done = lambda: done[0]
    first = desk.device()
    for _ in range(16):
        first.answers.put(None)
        until(lambda: first.answers.empty())
        desk.sleep(0.1)
    assert desk.thread.fault is None
    done[0] = 1
    rounds = first.served
    first.answers.put(None)
    until(lambda: first.served == rounds + 1)
    for _ in range(17):
        desk.sleep(0.1)
        first.answers.put(None)
    assert desk.thread.fault is None
    desk.sleep(0.2)
    assert isinstance(desk.thread.fault, SoundCardLost) and len(desk.thread._held) == 1
    first.answers.put(None)


def test_what_one_may_be_held_in_is_given_away_before_another_begins(desk):
    order = []
    desk.thread._on_held = lambda: order.append((len(desk.thread._held), desk.thread._thread in desk.thread._held))
    first = desk.device()
    desk.sleep(1.9)
    assert order == [(1, True)]
    first.answers.put(GONE)


def test_what_a_given_up_thread_meets_afterwards_is_nobodys_fault(desk, caplog):
    first = desk.device()
    desk.sleep(2.1)
    desk.wait_over()
    second = desk.device()
    first.answers.put(GONE)
    assert first.closed.wait(5)
    assert desk.thread.fault is None
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    second.answers.put(GONE)


def test_a_device_that_is_busy_because_it_is_held_is_still_said_to_hang(desk):
    first = desk.device()
    desk.sleep(2.1)
    desk.wait_over()
    desk.openings.put(DeviceLost("Device or resource busy"))
    until(lambda: desk.openings.empty() and desk.thread._tries == 2)
    assert "does not answer" in str(desk.thread.fault)
    first.answers.put(None)


def test_a_process_that_stood_still_gives_up_no_thread(desk):
    first = desk.device()
    desk.sleep(0.5)
    desk.clock.sleep(3.0)
    desk.thread.supervise()
    assert desk.thread.fault is None
    desk.sleep(1.7)
    assert desk.thread.fault is None
    first.answers.put(GONE)


def test_the_heart_stands_still_while_a_device_that_worked_holds_a_thread(desk):
    first = desk.device()
    desk.sleep(2.1)
    for _ in range(5):
        desk.sleep(1.0)
        desk.ticks.release()
        until(lambda: desk.thread._moved_s == desk.clock())
    assert desk.thread.last_period_s == pytest.approx(1.85, abs=0.11)
    first.answers.put(None)
    until(lambda: desk.thread.last_period_s == desk.clock())


def test_a_device_that_never_worked_asks_for_no_new_process_however_often_it_hangs(desk):
    devices = [Hanging(), Hanging()]
    for device in devices:
        desk.openings.put(device)
        until(desk.openings.empty)
        desk.sleep(2.1)
        assert isinstance(desk.thread.fault, SoundCardMissing)
        desk.wait_over()
    for _ in range(20):
        desk.wait_over()
        until(lambda: desk.thread.last_period_s == desk.clock())
    assert len(desk.thread._held) == 2  # and nobody else goes the same way
    for device in devices:
        device.answers.put(None)


async def test_stopping_leaves_a_thread_behind_that_hangs_in_its_device(monkeypatch):
    monkeypatch.setattr("service.sound.device_thread.STOP_S", 0.01)
    hung = threading.Event()
    thread = DeviceThread(name="x", code=FaultCode.SOUND_IN, open_pcm=hung.wait, serve=lambda pcm: iter(()))
    thread.start()
    await thread.stop()
    assert thread._thread.is_alive()
    assert thread.fault is None
    hung.set()


# -- priority ---------------------------------------------------------------------------------------------------------


def scheduled(priority):
    """How the thread is scheduled while it serves."""
    found = []

    def serve(pcm):
        found.append((os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority))
        thread._stop.set()
        yield

    thread = DeviceThread(
        name="x", code=FaultCode.SOUND_IN, open_pcm=lambda: Device(0, GONE), serve=serve, priority=priority
    )
    thread.start()
    thread._thread.join(5)
    return found


def permitted() -> None:
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_RTPRIO)[0] < 50:
        pytest.skip("real-time priority was not tried: it is not permitted here")


def test_a_thread_that_is_given_up_no_longer_goes_first():
    permitted()
    desk = Desk(priority=50)
    device = desk.device()
    held = desk.thread._thread.native_id
    assert os.sched_getscheduler(held) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    desk.sleep(2.1)
    assert os.sched_getscheduler(held) == os.SCHED_OTHER
    device.answers.put(None)
    desk.end()


def test_the_thread_and_no_other_runs_before_everything_else():
    permitted()
    assert scheduled(50) == [(os.SCHED_FIFO, 50)]
    assert scheduled(None) == [(os.SCHED_OTHER, 0)]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_without_the_right_to_it_sound_goes_on_as_it_may(monkeypatch, caplog):
    def refused(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    caplog.set_level(logging.DEBUG)
    assert scheduled(50) == [(os.SCHED_OTHER, 0)]
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


async def test_stopping_before_the_start_is_no_error():
    await DeviceThread(name="x", code=FaultCode.SOUND_IN, open_pcm=Clock, serve=lambda pcm: iter(())).stop()
