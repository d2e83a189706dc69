import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.cli.options import DEFAULT_CONFIG
from service.settings.model import Settings
from service.settings.secrets import ENCRYPTED, FILES
from service.sound.device_thread import CAPTURE_PRIORITY, PLAYBACK_PRIORITY

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT, SYSUSERS, TMPFILES = (SYSTEMD / f"boothd.{kind}" for kind in ("service", "sysusers", "tmpfiles"))


def values(name, unit=UNIT):
    """All values of a directive, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def seconds(name):
    (value,) = values(name)
    return float(value)


def real_groups():
    return re.findall(r"^g (\S+)", SYSUSERS.read_text(), re.MULTILINE)


def verify(tmp_path, text, name="boothd.service"):
    """What systemd has to say about the unit, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("the unit was not verified: systemd-analyze is missing")
    unit = tmp_path / name
    unit.write_text(re.sub(r"^(Exec\w+=-?)\S+", r"\1/bin/true", text, flags=re.MULTILINE))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    about_us = [line for line in (done.stdout + done.stderr).splitlines() if "boothd" in line]
    return done.returncode, about_us


def test_systemd_accepts_the_unit(tmp_path):
    assert verify(tmp_path, UNIT.read_text()) == (0, [])
    for kind in ("service", "path"):
        shutil.copy(SYSTEMD / f"boothd-credentials.{kind}", tmp_path)
    for kind in ("service", "path"):
        name = f"boothd-credentials.{kind}"
        assert verify(tmp_path, (SYSTEMD / name).read_text(), name) == (0, [])


def test_systemd_would_notice_a_slip(tmp_path):
    _, about_us = verify(tmp_path, UNIT.read_text().replace("WatchdogSec=10", "WatchdogSecs=10"))
    assert any("WatchdogSecs" in line for line in about_us)


def test_the_threads_of_sound_may_ask_for_their_priority():
    (limit,) = values("LimitRTPRIO")
    assert int(limit) >= max(CAPTURE_PRIORITY, PLAYBACK_PRIORITY)
    assert "yes" not in values("RestrictRealtime")
    assert values("SystemCallFilter")[-1] == "sched_setscheduler"  # after "~@resources", which it is one of


def test_it_runs_what_the_command_line_expects():
    (command,) = values("ExecStart")
    assert command == f"/usr/bin/boothd run --config {DEFAULT_CONFIG}"
    assert values("ConfigurationDirectory") == [DEFAULT_CONFIG.parent.name]


def test_the_lamps_are_seen_to_after_every_end():
    assert values("ExecStopPost") == ["-/usr/bin/boothd-lamps-safe"]


def test_credentials_are_those_of_the_settings_and_may_be_missing():
    # A name without ":PATH": a missing path ends in 243/CREDENTIALS (tried in a booted systemd 252).
    assert values("LoadCredential") == list(FILES.values())
    # Names of their own: under the same name a plain file ends in 243, too.
    assert values("LoadCredentialEncrypted") == [f"{name}{ENCRYPTED}" for name in FILES.values()]


def test_a_credential_that_comes_or_changes_is_noticed_wherever_it_may_stand():
    assert values("Also") == ["boothd-credentials.path"]
    watched = values("PathChanged", SYSTEMD / "boothd-credentials.path")
    made = re.findall(r"^d (/etc/\S+) 0700 root root -$", TMPFILES.read_text(), re.MULTILINE)
    assert watched == made == ["/etc/credstore", "/etc/credstore.encrypted"]


def test_every_group_exists_and_none_takes_the_users_name():
    named = {*values("Group"), *" ".join(values("SupplementaryGroups")).split()}
    assert named <= {"audio", *real_groups()}  # else 216/GROUP
    (user,) = values("User")
    assert user not in real_groups()  # else 217/USER


def test_systemd_makes_the_groups(tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("the groups were not made: systemd-sysusers is missing")
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(SYSUSERS)], check=True, capture_output=True)
    made = [line.split(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()]
    assert sorted(made) == sorted(real_groups()) == ["boothd", "gpio"]


def test_the_control_socket_stands_in_the_runtime_directory():
    (runtime,) = values("RuntimeDirectory")
    assert Path(Settings().http.socket).parent == Path("/run", runtime)
    assert values("WorkingDirectory") == [f"/run/{runtime}"]


def test_what_is_kept_for_the_process_after_a_crash_outlives_the_restart_and_the_socket_stays_in_reach(tmp_path):
    # With it and DynamicUser the directory is a link into /run/private, which is root's alone.
    assert values("RuntimeDirectoryPreserve") == []
    (sessions,) = [line for line in values("Environment") if line.startswith("KEPT_DIRECTORY=")]
    (kept,) = [line for line in TMPFILES.read_text().splitlines() if line.startswith("d /run")]
    directory = sessions.partition("=")[2]
    assert kept.split() == ["d", directory, "1770", "root", *values("Group"), "-"]
    assert values("ReadWritePaths") == [f"-{directory}"]


def test_systemd_makes_the_directories(tmp_path):
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("the directories were not made: systemd-tmpfiles is missing")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nboothd:x:0:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create", str(TMPFILES)], check=True)
    made = {path: (tmp_path / path).stat().st_mode & 0o7777 for path in ("run/boothd-kept", "etc/credstore")}
    assert made == {"run/boothd-kept": 0o1770, "etc/credstore": 0o700}


def test_a_hang_is_over_in_15_s_and_the_end_has_time_for_the_farewell():
    assert seconds("WatchdogSec") + seconds("RestartSec") < 15
    assert seconds("TimeoutStopSec") > Settings().session.end_timeout_s + 1


def test_it_waits_for_no_network_and_never_gives_up():
    assert not [line for line in values("After") + values("Wants") + values("Requires") if "online" in line]
    assert values("StartLimitIntervalSec") == ["0"] and values("Restart") == ["always"]
