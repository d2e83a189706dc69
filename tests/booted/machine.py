"""A booted Debian: systemd in a container of its own, with this checkout installed as a package would install it.

The container has the network of this machine, so that a sandbox on the loopback interface can be reached, and nothing
else of it: its own /tmp, /run and /var, thrown away at the end. `desk` is a folder that both sides see under one name.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.processes import picture_at, until

CHECKOUT = Path(__file__).parents[2]
HERE = CHECKOUT / "tests/booted"
INSIDE = Path("/usr/lib/boothd")
BOOT_S = 60.0
PR_SET_PDEATHSIG = 1
DESKS, PREFIX = Path("/srv"), "boothd-booted-"  # not below /tmp: the unit has one of its own
CGROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = [CGROUPS, CGROUPS / "systemd", CGROUPS / "unified"]  # of version 2, and of both side by side
LAUNCHERS = {"boothd": "service", "boothd-lamps-safe": "service.lamps_safe"}
UNITS = CHECKOUT / "systemd"
PLACES = {
    ".service": "/usr/lib/systemd/system/{}",
    ".path": "/usr/lib/systemd/system/{}",
    ".sysusers": "/usr/lib/sysusers.d/boothd.conf",
    ".tmpfiles": "/usr/lib/tmpfiles.d/boothd.conf",
    ".rules": "/usr/lib/udev/rules.d/{}",
    ".conf": "/etc/systemd/system.conf.d/{}",
}


def needed() -> None:
    """Skip the test by name where no machine can be booted; in CI that is a failure."""
    missing = [tool for tool in ("systemd-nspawn", "mmdebstrap") if shutil.which(tool) is None]
    why = "not root" if os.getuid() else f"not installed: {', '.join(missing)}" if missing else None
    if why and "REQUIRE_LIVEKIT_SERVERS" in os.environ:
        pytest.fail(f"no systemd was booted: {why}")
    if why:
        pytest.skip(f"no systemd was booted: {why}")


def root_of(suite: str) -> Path:
    """The root of this suite, made if there is none."""
    made = subprocess.run([HERE / "build", suite], stdout=subprocess.PIPE, text=True, check=True, timeout=900)
    return Path(made.stdout.strip())


class Machine:
    """One that is up. Its commands run as root."""

    def __init__(self, suite: str, desk: Path, leader: int) -> None:
        self.suite, self.desk, self._leader = suite, desk, leader

    def run(self, *command: object, check: bool = True, timeout_s: float = 30.0) -> str:
        """What the command says."""
        enter = ["nsenter", "--target", str(self._leader), "--all", "--", *map(str, command)]
        done = subprocess.run(enter, capture_output=True, text=True, timeout=timeout_s)
        if check and done.returncode:
            raise AssertionError(f"{command} ended in {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def code(self, *command: object, timeout_s: float = 30.0) -> int:
        """How the command ends."""
        enter = ["nsenter", "--target", str(self._leader), "--all", "--", *map(str, command)]
        return subprocess.run(enter, capture_output=True, timeout=timeout_s).returncode

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the machine."""
        command = ["sh", "-c", f"mkdir -p {os.path.dirname(path)} && cat > {path} && chmod {mode:o} {path}"]
        enter = ["nsenter", "--target", str(self._leader), "--all", "--", *command]
        subprocess.run(enter, input=text, text=True, check=True, timeout=30)

    def shown(self, name: str, unit: str = "boothd.service") -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit)

    def status(self) -> dict[str, Any] | None:
        """What the daemon says of itself, None while it does not."""
        return picture_at(Path(f"/proc/{self._leader}/root/run/boothd/control.sock"))

    def until(self, phase: str, limit_s: float = 40.0) -> None:
        """Wait until the box says by its status text that it is in this phase."""
        begins = tuple(f"{phase.upper()}{end}" for end in (";", ","))
        try:
            until(lambda: f"{self.shown('StatusText')};".startswith(begins), f"phase {phase}", limit_s)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; now {self.status()}; journal:\n{self.journal()}") from None

    def journal(self, *options: str) -> str:
        """The unit's journal."""
        return self.run("journalctl", "--unit", "boothd", "--no-pager", *options)


@contextmanager
def booted(suite: str) -> Iterator[Machine]:
    """Boot it, install this checkout, and take it all away in the end, also when the test is killed."""
    needed()
    root = root_of(suite)
    _tidy()
    desk = Path(tempfile.mkdtemp(prefix=PREFIX, dir=DESKS))
    desk.chmod(0o777)
    binds = {CHECKOUT / "service": INSIDE / "src/service", CHECKOUT / "tests": INSIDE / "src/tests"}
    command = [
        # The machine's init is no child of nspawn's, and would outlive it; a space of process numbers it does not.
        *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--volatile=overlay"),
        *(f"--directory={root}", f"--machine=boothd-{suite}-{os.getpid()}", f"--bind={desk}"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items()),
        "--boot",
    ]
    log = (desk / "boot.log").open("wb")
    groups = _groups_of_its_own(desk.name)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=lambda: _begin(groups), env=_plain()
    )
    try:
        machine = Machine(suite, desk, until(lambda: _init_of(process), f"{suite} to begin", BOOT_S))
        up = ("running", "degraded")
        until(lambda: machine.run("systemctl", "is-system-running", check=False) in up, f"{suite} to be up", BOOT_S)
        _install(machine)
        yield machine
    finally:
        for nspawn in _children(process.pid):
            os.kill(nspawn, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        take_away(desk.name)


def _install(machine: Machine) -> None:
    """What a package does."""
    site = machine.run(INSIDE / "bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    machine.write(f"{site}/boothd.pth", f"{INSIDE}/src\n")
    metadata = f"Metadata-Version: 2.1\nName: boothd\nVersion: {version('boothd')}\n"
    machine.write(f"{site}/boothd-{version('boothd')}.dist-info/METADATA", metadata)
    for name, module in LAUNCHERS.items():
        machine.write(f"/usr/bin/{name}", f'#!/bin/sh\nexec {INSIDE}/bin/python -m {module} "$@"\n', 0o755)
    for file in UNITS.iterdir():
        machine.write(PLACES[file.suffix].format(file.name), file.read_text())
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create", "boothd.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "boothd")


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _init_of(process: subprocess.Popen) -> int | None:
    """The container's first process, as this machine numbers it."""
    assert process.poll() is None, "systemd-nspawn has ended"
    for nspawn in _children(process.pid):
        for child in _children(nspawn):
            status = Path(f"/proc/{child}/status").read_text()
            (numbers,) = (line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
            if len(numbers) == 3:  # here, where nspawn is, and where it is the first
                return child
    return None


def _groups_of_its_own(name: str) -> list[Path]:
    """Control groups for it: two machines in one would take away each other's units."""
    made = [hierarchy / name for hierarchy in HIERARCHIES if (hierarchy / "cgroup.procs").exists()]
    for group in made:
        group.mkdir()
    return made


def _tidy() -> None:
    """Take away what tests that were killed have left."""
    for desk in DESKS.glob(f"{PREFIX}*"):
        if not members(desk.name) and time.time() - desk.stat().st_mtime > BOOT_S:
            take_away(desk.name)


def members(name: str) -> str:
    """The processes of this machine, as text."""
    groups = [hierarchy / name for hierarchy in HIERARCHIES]
    return "".join((Path(below) / "cgroup.procs").read_text() for group in groups for below, _, _ in os.walk(group))


def take_away(name: str) -> None:
    """Its groups and its desk, when nobody is left in it."""
    for group in (hierarchy / name for hierarchy in HIERARCHIES):
        for below, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(below)
    shutil.rmtree(DESKS / name, ignore_errors=True)


def _begin(groups: list[Path]) -> None:
    """In the container's process, before it is one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it dies with the test
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "dumb", "SYSTEMD_LOG_LEVEL": "err"}


def wait_s(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
