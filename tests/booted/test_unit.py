"""The unit as it is shipped, in booted Debians, with sound through simulated cards and pins in files."""

import json
import time

import pytest

from tests.booted.box import ALERT, BUTTON, CONFIG, LIVE, MUTE
from tests.fakes.processes import until

pytestmark = pytest.mark.slow

EXPOSURE = 15  # tenths
FAREWELL = ["end_task", "left", "deleted"]


def lit(box, *lamps: int | None) -> bool:
    return box.lamps == lamps


def test_it_goes_live_with_sound_in_its_sandbox_of_a_process(box):
    box.start()
    box.machine.until("live")
    until(lambda: lit(box, 1, 1, 0), "LINK and LIVE alone")
    until(lambda: box.heard().astype(float).std() > 100, "a voice in line-out", 30)
    text = box.machine.shown("StatusText")
    assert text.startswith("LIVE; EN to ES confirmed") and "session 0 h 0 min" in text
    box.pins.press(MUTE)
    until(lambda: box.machine.status()["muted"], "MUTE")
    status = box.machine.run("cat", f"/proc/{box.pid}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
    assert min(map(int, facts["Uid"].split())) >= 61184  # of systemd's dynamic users
    environ = box.machine.run("cat", f"/proc/{box.pid}/environ")
    assert box.cloud.said["client_secret"] not in environ + box.machine.journal() + text


def test_the_sandbox_of_the_process_is_as_tight_as_promised(box):
    said = box.machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE}", "boothd.service")
    assert "Overall exposure level" in said
    assert box.machine.code("systemd-analyze", "security", "--threshold=5", "boothd.service") != 0  # it can fail


def test_the_threads_of_sound_get_the_priority_that_they_ask_for(box):
    box.start()
    box.machine.until("live")
    limits = box.machine.run("cat", f"/proc/{box.pid}/limits")
    if "Max realtime priority     0 " in limits:
        pytest.skip("no real-time priority in the unit was shown: this machine does not let systemd raise its limit")
    threads = box.machine.run("ps", "-L", "-o", "cls,comm", "-p", box.pid)
    assert threads.count("FF") >= 2, threads


def test_after_a_sudden_death_the_lamps_call_and_it_is_live_again(box):
    box.start()
    box.machine.until("live")
    until(lambda: lit(box, 1, 1, 0), "LIVE")
    pid, before = box.pid, len(box.cloud.seen())
    box.machine.run("kill", "-KILL", pid)
    began_s = time.monotonic()
    until(lambda: box.pins.levels(LIVE, ALERT) == (0, 1), "LIVE out and ALERT on", 5)
    took_s = time.monotonic() - began_s
    until(lambda: box.pid not in (0, pid), "another process")
    box.machine.until("live")
    until(lambda: lit(box, 1, 1, 0), "LIVE")
    done = [what for what in box.cloud.seen()[before:] if what in ("created", "deleted")]
    assert done == ["deleted", "created"] and took_s < 2


def test_a_stop_says_farewell_and_leaves_the_lamps_dark(box):
    box.start()
    box.machine.until("live")
    before, began_s = len(box.cloud.seen()), time.monotonic()
    box.machine.run("systemctl", "stop", "boothd")
    took_s = time.monotonic() - began_s
    assert [what for what in box.cloud.seen()[before:] if what != "get_task"] == FAREWELL
    assert box.machine.shown("Result") == "success" and lit(box, 0, 0, 0)
    assert took_s < 4  # 2 s are promised, and a busy machine is forgiven


@pytest.mark.parametrize(
    ("phase", "fault", "due"),
    [
        ("creating", ("delay-create", 0.6), ["deleted"]),
        ("preparing", ("never-ready", None), FAREWELL),
        ("paused", None, FAREWELL),
        ("waiting", ("server-error", 500), []),
        ("fault", ("no-balance", None), []),
    ],
)
def test_a_stop_in_any_phase_ends_what_there_is_to_end(box, phase, fault, due):
    before = len(box.cloud.seen())
    if fault is not None:
        box.cloud.fault(*fault)
    box.start()
    if phase == "paused":
        box.machine.until("live")
        box.pins.press(BUTTON)
    box.machine.until(phase)
    if phase == "preparing":
        until(lambda: "set_task" in box.cloud.seen()[before:], "set_task")
    box.machine.run("systemctl", "stop", "boothd")
    assert (box.machine.shown("Result"), box.machine.shown("ExecMainStatus")) == ("success", "0")
    assert [what for what in box.cloud.seen()[before:] if what in FAREWELL] == due
    assert not box.cloud.sessions()


def test_a_process_that_hangs_is_replaced_within_15_s(box):
    box.start()
    box.machine.until("live")
    pid = box.pid
    box.machine.run("kill", "-STOP", pid)
    began_s = time.monotonic()
    until(lambda: box.pid not in (0, pid), "another process", 40)
    took_s = time.monotonic() - began_s
    box.machine.until("live")
    assert took_s < 25  # 15 s are promised, and a busy machine is forgiven


def test_a_missing_card_is_a_fault_that_ends_when_it_comes(box):
    box.cards["lineout"].unplug()
    box.start()
    box.machine.until("fault")
    assert box.machine.status()["fault"]["code"] == 4
    box.cards["lineout"].plug()
    box.machine.until("live")


def test_broken_settings_are_a_fault_that_ends_when_they_are_mended(box):
    box.machine.write(CONFIG, box.settings + "\n[session]\nintent = 5\n")
    box.start()
    box.machine.until("fault")
    fault = box.machine.status()["fault"]
    assert fault["code"] == 6 and f"{CONFIG}:" in fault["detail"]
    assert "FAULT" in box.machine.shown("StatusText") and box.machine.shown("ActiveState") == "active"
    box.machine.write(CONFIG, box.settings)
    box.machine.until("live")


@pytest.mark.parametrize("how", ["full", "read-only", "truncated"])
def test_a_state_directory_in_trouble_keeps_nobody_from_working(box, how):
    state = "/var/lib/private/boothd"
    box.machine.run("mkdir", "-p", state)
    if how == "truncated":
        for name in ("intent.json", "paid.json", "last-good.json", "clocks.json"):
            box.machine.write(f"{state}/{name}", '{"pai')
        box.start()
        box.machine.until("live")
        return
    box.machine.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", state)
    try:
        box.start()  # systemd gives the directory its owner, which takes a disk that can be written once
        box.machine.until("live")
        box.machine.run("systemctl", "stop", "boothd")
        if how == "full":
            box.machine.run("sh", "-c", f"rm {state}/*; head -c 16384 /dev/zero > {state}/filler", check=False)
        else:
            box.machine.run("sh", "-c", f"rm {state}/*; mount -o remount,ro {state}")
        box.start()
        box.machine.until("live")
        assert any("cannot be written" in notice for notice in box.machine.status()["notices"])
    finally:
        box.machine.run("systemctl", "stop", "boothd")
        box.machine.run("umount", state)


def test_every_change_of_state_is_one_record_with_its_fields(box):
    box.start()
    box.machine.until("live")
    records = box.machine.journal("MESSAGE_ID=7b016dcf3bab49b0aa818c17cd664431", "--output=json", "--boot").splitlines()
    phases = [json.loads(record)["BOOTHD_PHASE"] for record in records]
    assert phases[-4:] == ["creating", "joining", "preparing", "live"]
