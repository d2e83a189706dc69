"""A booted Debian: systemd in a container of its own, with this checkout installed as a package would install it.

The container has the network of this machine, so that a sandbox on the loopback interface can be reached, and nothing
else of it: its own /tmp, /run and /var, thrown away at the end. `desk` is a folder that both sides see under one name.
"""

import ctypes
import json
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

from tests.fakes.processes import until

CHECKOUT = Path(__file__).parents[2]
HERE = CHECKOUT / "tests/booted"
INSIDE = Path("/usr/lib/boothd")
BOOT_S = 60.0
PR_SET_PDEATHSIG = 1
LAUNCHERS = {"boothd": "service", "boothd-lamps-safe": "service.lamps_safe"}
UNITS = CHECKOUT / "systemd"


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
        said = self.run("boothd", "status", "--json", check=False)
        return json.loads(said) if said else None

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
    desk = Path(tempfile.mkdtemp(prefix="boothd-booted-", dir="/srv"))  # not below /tmp: the unit has one of its own
    desk.chmod(0o777)
    binds = {CHECKOUT / "service": INSIDE / "src/service", CHECKOUT / "tests": INSIDE / "src/tests"}
    command = [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--volatile=overlay"),
        *(f"--directory={root}", f"--machine=boothd-{suite}-{os.getpid()}", f"--bind={desk}"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items()),
        "--boot",
    ]
    log = (desk / "boot.log").open("wb")
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_the_test, env=_plain()
    )
    try:
        machine = Machine(suite, desk, until(lambda: _init_of(process), f"{suite} to begin", BOOT_S))
        up = ("running", "degraded")
        until(lambda: machine.run("systemctl", "is-system-running", check=False) in up, f"{suite} to be up", BOOT_S)
        _install(machine)
        yield machine
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(desk, ignore_errors=True)


def _install(machine: Machine) -> None:
    """What a package does."""
    site = machine.run(INSIDE / "bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    machine.write(f"{site}/boothd.pth", f"{INSIDE}/src\n")
    metadata = f"Metadata-Version: 2.1\nName: boothd\nVersion: {version('boothd')}\n"
    machine.write(f"{site}/boothd-{version('boothd')}.dist-info/METADATA", metadata)
    for name, module in LAUNCHERS.items():
        machine.write(f"/usr/bin/{name}", f'#!/bin/sh\nexec {INSIDE}/bin/python -m {module} "$@"\n', 0o755)
    machine.write("/usr/lib/sysusers.d/boothd.conf", (UNITS / "boothd.sysusers").read_text())
    for unit in (path for path in UNITS.iterdir() if path.suffix in (".service", ".path")):
        machine.write(f"/usr/lib/systemd/system/{unit.name}", unit.read_text())
    machine.run("systemd-sysusers")
    machine.run("systemctl", "daemon-reload")


def _init_of(process: subprocess.Popen) -> int | None:
    """The container's first process, as this machine numbers it."""
    assert process.poll() is None, "systemd-nspawn has ended"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in map(int, children):
        status = Path(f"/proc/{child}/status").read_text()
        (numbers,) = (line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
        if numbers[-1] == "1":
            return child
    return None


def _die_with_the_test() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "dumb", "SYSTEMD_LOG_LEVEL": "err"}


def wait_s(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
