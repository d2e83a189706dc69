"""What stands around the unit: credentials that come and change, the group's socket, the journal, the files."""

import subprocess
import sys
import time

import pytest

from tests.booted.box import ALERT, BUTTON, CREDENTIALS, LIVE
from tests.booted.machine import PREFIX, members, take_away
from tests.fakes.processes import until

pytestmark = pytest.mark.slow

SECRET = "palabra-client-secret"
SETTLED_S = 4.0  # longer than boothd-credentials.service takes


def test_a_missing_credential_is_a_fault_that_ends_when_it_comes(box):
    box.machine.run("rm", CREDENTIALS / SECRET)
    box.start()
    box.machine.until("fault")
    fault = box.machine.status()["fault"]
    assert fault["code"] == 2 and SECRET in fault["detail"]
    until(lambda: box.pins.level(LIVE) == 0, "no LIVE")
    box.credentials()
    box.machine.until("live")
    pid = box.pid
    box.machine.write(f"{CREDENTIALS}/of-somebody-else", "secret")
    time.sleep(SETTLED_S)
    assert box.pid == pid  # neither for others nor again and again
    box.machine.write(f"{CREDENTIALS}/.new", box.cloud.said["client_secret"], mode=0o600)
    box.machine.run("mv", CREDENTIALS / ".new", CREDENTIALS / SECRET)
    until(lambda: box.pid not in (0, pid), "another process")
    box.machine.until("live")


def test_an_encrypted_credential_does_as_well_and_a_spoilt_one_calls_until_it_is_mended(box):
    box.start()
    box.machine.until("live")
    box.machine.run("systemctl", "stop", "boothd")
    encrypted = f"/etc/credstore.encrypted/{SECRET}.encrypted"
    box.machine.run("rm", CREDENTIALS / SECRET)
    box.machine.write(encrypted, "spoilt")
    try:
        box.start(check=False)
        until(lambda: box.machine.shown("ExecMainStatus") == "243", "243/CREDENTIALS")
        until(lambda: box.pins.levels(LIVE, ALERT) == (0, 1), "ALERT")
        box.machine.run("sh", "-c", f"echo {box.cloud.said['client_secret']} | systemd-creds encrypt - {encrypted}")
        box.machine.until("live")
    finally:
        box.machine.run("rm", "-f", encrypted)


def test_people_of_the_group_reach_the_socket_and_others_do_not(box):
    box.machine.run("sh", "-c", "id tech || useradd --groups boothd tech; id guest || useradd guest")
    box.start()
    box.machine.until("live")
    command = "boothd status"
    assert "live" in box.machine.run("runuser", "-u", "tech", "--", "sh", "-c", command)
    assert box.machine.code("runuser", "-u", "guest", "--", "sh", "-c", command) == 8
    kept = "/run/boothd-kept"
    assert '"open": {"' in box.machine.run("cat", f"{kept}/sessions.json")
    spoil = f"cat {kept}/sessions.json || rm -f {kept}/sessions.json || mv {kept}/sessions.json {kept}/x"
    assert box.machine.code("runuser", "-u", "tech", "--", "sh", "-c", spoil) != 0


def test_every_file_is_accepted_by_what_reads_it(box):
    units = box.machine.run("sh", "-c", "ls /usr/lib/systemd/system/boothd*").split()
    assert len(units) == 3
    # The text and not the code: it also follows the units of others.
    said = box.machine.run("sh", "-c", f"systemd-analyze verify --man=no {' '.join(units)} 2>&1", check=False)
    assert "boothd" not in said
    assert box.machine.run("systemctl", "is-enabled", "boothd", "boothd-credentials.path").split() == ["enabled"] * 2
    assert box.machine.run("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value") == "15s"


JOURNALD = ("systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service")


@pytest.mark.parametrize("how", ["restarted", "gone for a while"])
def test_the_daemon_outlives_the_journal_and_is_in_it_again(box, how):
    box.start()
    box.machine.until("live")
    pid = box.pid
    if how == "restarted":
        box.machine.run("systemctl", "restart", "systemd-journald")
    else:
        box.machine.run("systemctl", "stop", *JOURNALD)
    box.pins.press(BUTTON)
    box.machine.until("paused")
    if how == "restarted":
        until(lambda: "LIVE -> PAUSED" in box.machine.journal("--output=cat"), "the record of it")
    else:
        box.machine.run("systemctl", "start", *JOURNALD)
    box.pins.press(BUTTON)
    box.machine.until("live")
    until(lambda: "PAUSED -> " in box.machine.journal("--output=cat"), "the next record")
    assert box.pid == pid


ALONE = """
import sys, time
from tests.booted.machine import booted
with booted(sys.argv[1]) as machine:
    print(machine.desk.name, flush=True)
    time.sleep(600)
"""


def test_the_machine_dies_with_a_test_that_is_killed(box):
    test = subprocess.Popen([sys.executable, "-c", ALONE, box.machine.suite], stdout=subprocess.PIPE, text=True)
    assert test.stdout is not None
    name = test.stdout.readline().strip()
    assert name.startswith(PREFIX)
    assert members(name)
    test.kill()
    test.wait()
    test.stdout.close()
    until(lambda: not members(name), "an end of all its processes", 15)
    take_away(name)
