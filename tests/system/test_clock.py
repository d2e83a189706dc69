import os
import subprocess
import sys
import time

import pytest

from service.system import clock
from service.system.clock import Clock, kernel_says_synchronised


@pytest.fixture
def kernel(monkeypatch):
    """Have the kernel say this."""
    return lambda says: monkeypatch.setattr(clock, "kernel_says_synchronised", lambda: says)


def test_timesyncd_says_it_by_a_file(tmp_path, kernel):
    kernel(None)
    one = Clock(root=tmp_path)
    assert (one.signs().synchronised, one.signs().in_time) == (False, False)
    folder = tmp_path / "run/systemd/timesync"
    folder.mkdir(parents=True)
    assert (one.signs().synchronised, one.signs().in_time) == (False, True)
    (folder / "synchronized").touch()
    assert one.signs().synchronised


@pytest.mark.parametrize(
    ("says", "synchronised", "in_time"), [(True, True, True), (False, False, True), (None, False, False)]
)
def test_the_others_say_it_to_the_kernel_where_that_may_be_asked(tmp_path, kernel, says, synchronised, in_time):
    kernel(says)
    (tmp_path / "run/chrony").mkdir(parents=True)
    signs = Clock(root=tmp_path).signs()
    assert (signs.synchronised, signs.in_time) == (synchronised, in_time)


def test_what_was_written_is_in_the_past(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    for number, path in enumerate((state / "paid.json", state / "intent.json", tmp_path / "program.py")):
        path.touch()
        os.utime(path, (1000.0 + number, 1000.0 + number))
    assert Clock(written=[tmp_path / "program.py"]).signs().past_s == 1002.0
    assert Clock(written=[state, tmp_path / "gone"]).signs().past_s == 1001.0
    assert Clock().signs().past_s == 0.0


def test_the_time_of_day_is_the_machines():
    assert abs(Clock.now_s() - time.time()) < 60


def test_the_kernel_is_asked_and_nothing_is_set():
    assert kernel_says_synchronised() in (True, False, None)


# What our unit does by ProtectClock=yes: the two calls give EPERM. (x86-64 and arm64 numbers of both.)
REFUSED = """
import ctypes, errno, platform, struct, sys
numbers = {"x86_64": (159, 305), "aarch64": (171, 266)}.get(platform.machine())
if numbers is None:
    sys.exit("skip: no numbers for this machine")
load, refuse = (0x20, 0, 0, 0), [(0x15, 2 - place, 0, number) for place, number in enumerate(numbers)]
program = [load, *refuse, (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
wanted = Filter(len(program), ctypes.addressof(code))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(wanted), 0, 0):
    sys.exit(f"skip: no filter here, errno {ctypes.get_errno()}")
from service.system.clock import Clock, kernel_says_synchronised
print(kernel_says_synchronised(), Clock().signs().synchronised)
"""


def test_where_the_kernel_may_not_be_asked_that_is_no_answer():
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, timeout=20)
    if done.stderr.startswith("skip"):
        pytest.skip(done.stderr)
    assert (done.stdout.split()[0], done.returncode) == ("None", 0), done.stderr
