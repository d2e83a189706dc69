"""`boothd sandbox` and `boothd run` as processes of their own, as a user starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BOOTHD = [sys.executable, "-m", "service"]
START_S = 20.0


def until(condition: Callable[[], Any], what: str, limit_s: float = 15.0) -> Any:
    """What the condition gives once it gives something."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {limit_s} s in vain for {what}")


def recording(path: Path, pcm: bytes = bytes(9600)) -> Path:
    """A WAV file of mono s16 at 48 kHz; without more, a tenth of a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


class Sandbox:
    """A running sandbox; `kill` and `start` it again with the same credentials and address."""

    def __init__(self, folder: Path, *options: str, environ: dict[str, str]) -> None:
        self._folder, self._options, self._environ = folder, options, {**os.environ, **environ}
        self._listen = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        arguments = ["sandbox", "--listen", self._listen, "--credentials", str(self._folder / "credentials.json")]
        self.process = subprocess.Popen(
            [*BOOTHD, *arguments, *self._options], env=self._environ, stdout=subprocess.PIPE, text=True
        )
        self.said = json.loads(self.process.stdout.readline())
        self.url: str = self.said["url"]
        self._listen = self.url.removeprefix("http://")

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code

    def get(self, path: str, **headers: str) -> Any:
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=5) as answer:
            return json.load(answer)

    def sessions(self) -> list[str]:
        """The ids of the sessions there are."""
        pair = {"ClientId": self.said["client_id"], "ClientSecret": self.said["client_secret"]}
        return [session["id"] for session in self.get("/session-storage/sessions", **pair)["data"]]

    def clear(self, name: str) -> None:
        request = urllib.request.Request(f"{self.url}/sandbox/faults/{name}", method="DELETE")
        urllib.request.urlopen(request, timeout=5).close()

    def fault(self, name: str, value: object = None) -> None:
        body = json.dumps({"name": name, "value": value}).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/faults", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()

    def seen(self) -> list[str]:
        """What the box did, in order: created, joined, end_task, left, deleted."""
        return [event["what"] for event in self.get("/sandbox/events") if "palabra_translator" not in event["who"]]


def picture_at(path: Path) -> dict[str, Any] | None:
    """What the daemon behind this socket says of itself, None while nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: boothd\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
    except OSError:
        return None
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@contextmanager
def sandbox(folder: Path, *options: str, **environ: str) -> Iterator[Sandbox]:
    one = Sandbox(folder, *options, environ=environ)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()


class Box:
    """A running daemon with its settings file."""

    def __init__(
        self, folder: Path, settings: str, *, environ: dict[str, str], program: Sequence[str] = tuple(BOOTHD)
    ) -> None:
        self.folder, self.config, self.socket = folder, folder / "boothd.toml", folder / "control.sock"
        self.config.write_text(settings)
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("BOOTHD_", "PALABRA_"))}
        self.environ = {**kept, "RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder), **environ}
        self.log = folder / "box.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*program, "run", "--config", str(self.config)], env=self.environ, stderr=log, stdout=log
            )

    def status(self) -> dict[str, Any] | None:
        """The whole picture, None while nobody answers. In none is LIVE lit while nothing is played (appliance B5)."""
        picture = picture_at(self.socket)
        if picture is not None and _is_lie(picture):
            time.sleep(0.5)  # a process that was stopped, or was long without a processor, has to come round first
            picture = picture_at(self.socket)
            assert picture is None or not _is_lie(picture), picture
        return picture

    def captions(self, language: str) -> list[str]:
        """The translations so far; with `[log] captions = true`."""
        lines = self.log.read_text().splitlines()
        marks = (line.partition(f"caption translated_transcription {language}: ") for line in lines)
        return [text for _, mark, text in marks if mark]

    def until(self, phase: str, limit_s: float = 20.0) -> dict[str, Any]:
        """The picture as soon as the box is in this phase."""

        def there() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log.read_text()
            picture = self.status()
            return picture if picture and picture["phase"] == phase else None

        try:
            return until(there, f"phase {phase}", limit_s)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; now {self.status()}; log:\n{self.log.read_text()}") from None

    def stop(self, how: int = signal.SIGTERM) -> tuple[int, float]:
        """The exit code, and how long it took."""
        began_s = time.monotonic()
        self.process.send_signal(how)
        return self.process.wait(10), time.monotonic() - began_s


def settings_for(
    folder: Path, url: str, *, line_in: str, targets: Sequence[str] = ("es", "fr"), extra: str = ""
) -> str:
    pairs = "".join(
        f"""[[pair]]
name = "EN to {target.upper()}"
source = "en"
target = "{target}"
"""
        for target in targets
    )
    return f"""
[palabra]
base_url = "{url}"
{pairs}[audio.input]
device = "wav:{line_in}"
[audio.output]
device = "wav:{folder / "line-out.wav"}"
[http]
socket = "{folder / "control.sock"}"
{extra}
"""


def _is_lie(picture: dict[str, Any]) -> bool:
    """Whether LIVE is lit though a card that is there has taken no sound for a second."""
    cards = picture.get("devices", {}).get("outputs", [])
    quiet = any(card["lost"] is None and card["played_ago_s"] > 1.0 for card in cards)
    return quiet and picture["phase"] == "live" and picture["lamps"]["live"] == "on"


@contextmanager
def box(folder: Path, settings: str, *, environ: dict[str, str]) -> Iterator[Box]:
    one = Box(folder, settings, environ=environ)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


def credentials(one: Sandbox) -> dict[str, str]:
    return {"PALABRA_CLIENT_ID": one.said["client_id"], "PALABRA_CLIENT_SECRET": one.said["client_secret"]}
