"""In the place of systemd: hears NOTIFY_SOCKET, kills a service that no longer pings, and starts it again."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGABRT

LOOK_S = 0.05


class Service:
    """One unit with WatchdogSec, Restart=always and RestartSec; `start` gives a process for these variables."""

    def __init__(
        self,
        path: Path,
        start: Callable[[dict[str, str]], subprocess.Popen],
        *,
        watchdog_s: float = 10.0,
        restart_s: float = 1.0,
    ) -> None:
        self._start, self._watchdog_s, self._restart_s = start, watchdog_s, restart_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(LOOK_S)
        self._environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(round(watchdog_s * 1e6))}
        self._over = threading.Event()
        self._heard_s: float | None = None  # not watched before it is ready
        self.said: list[str] = []
        self.killed_s: list[float] = []
        self.process = start(self._environ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                words = self._socket.recv(4096).decode()
            except TimeoutError:
                words = ""
            if words:
                self.said.append(words)
            if words in ("READY=1", "WATCHDOG=1"):
                self._heard_s = time.monotonic()
            if self._heard_s is not None and time.monotonic() - self._heard_s > self._watchdog_s:
                self.killed_s.append(time.monotonic())
                self.process.send_signal(SIGABRT)
                self._again()
            elif self.process.poll() is not None:
                self._again()

    def _again(self) -> None:
        self.process.wait(10)
        self._heard_s = None
        if not self._over.wait(self._restart_s):
            self.process = self._start(self._environ)

    def end(self) -> None:
        """No further start; the process is killed."""
        self._over.set()
        self._thread.join(20)
        self.process.kill()
        self.process.wait(10)
        self._socket.close()
