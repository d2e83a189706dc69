"""Credentials, tokens and ids of sessions, searched for in all that the daemon writes or shows."""

import base64
import json
import signal
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.fakes.processes import BOOTHD, Box, Sandbox, recording, sandbox, settings_for, until

pytestmark = pytest.mark.slow

CANARIES = {
    "client_id": "c4n4ry-client.id/+7f3a==one",
    "client_secret": "c4n4ry-client.secret/+91bd==two",
    "api_key": "c4n4ry-api.key/+55e0==three",
}
SIGNING = {"signing_key": "APIsandbox", "signing_secret": "0123456789abcdef" * 4}
KINDS = {"pair": ("client_id", "client_secret"), "key": ("api_key",)}
TRACE = '[box]\nautostart = "always"\n[log]\nlevel = "trace"\ncaptions = true\n'
# Ends by an error that nobody catches, with whatever it knows in it, once the file named first is there.
FRAIL = """
import asyncio, os, sys
from service.cli import main
from service.cloud.session_client import SessionClient
from service.conductor import Conductor
run, init, told, made = Conductor.run, SessionClient.__init__, [], []
def listening(self, *, learn, **keys):
    made.append(keys["credentials"])
    init(self, learn=lambda secrets: (told.extend(secrets), learn(secrets)), **keys)
async def frail(self):
    running = asyncio.ensure_future(run(self))
    while not os.path.exists(sys.argv[1]):
        await asyncio.sleep(0.05)
    running.cancel()
    try:
        raise ValueError(made[0].headers())
    except ValueError as error:
        raise RuntimeError(f"{told} {made[0].secrets()}") from error
SessionClient.__init__, Conductor.run = listening, frail
main(sys.argv[2:])
"""


def forms(secret: str) -> set[str]:
    """How somebody who looks for it would have to look."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    found.add(secret.encode().hex())
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret.encode()).decode()
        found.add(whole[4:24])  # of the middle, which is the same whatever stands around it
    return found


class Search:
    """All that was written or shown, by its place."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = list(secrets)
        self.places: dict[str, str] = {}

    def add(self, place: str, text: str | bytes) -> None:
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        self.places[place] = self.places.get(place, "") + text

    def found(self) -> list[str]:
        """Where and what; at least twenty characters of each place were searched."""
        hits = [
            f"{place}: {form}"
            for place, text in self.places.items()
            for secret in self.secrets
            for form in forms(secret)
            if form in text
        ]
        looks = [
            f"{place}: {mark}"
            for place, text in self.places.items()
            for mark in ("eyJ", "c4n4ry", "ZXlK", base64.b64encode(b"c4n4ry").decode())  # as every token begins
            if mark in text
        ]
        return hits + looks


class Daemon:
    """A daemon with one kind of credentials in files, and every way to look at it."""

    def __init__(self, folder: Path, url: str, kind: str, *, program=tuple(BOOTHD), **environ: str) -> None:
        self.folder, self.search = folder, Search()
        secrets, self.cwd = folder / "secrets", folder / "cwd"
        for one in (secrets, self.cwd, folder / "state", folder / "run"):
            one.mkdir(exist_ok=True)
        for name in KINDS[kind]:
            (secrets / f"palabra-{name.replace('_', '-')}").write_text(CANARIES[name])
        line_in = recording(folder / "line-in.wav")
        settings = settings_for(folder, url, line_in=str(line_in), extra=TRACE)
        self.box = Box(
            folder,
            settings,
            environ={
                "BOOTHD_SECRETS_DIR": str(secrets),
                "STATE_DIRECTORY": str(folder / "state"),
                "RUNTIME_DIRECTORY": str(folder / "run"),
                "PYTHONFAULTHANDLER": "1",
                **environ,
            },
            program=program,
        )
        self._events = threading.Thread(target=self._follow, daemon=True)

    def follow(self) -> None:
        """From now on, what events say."""
        self._events.start()

    def _follow(self) -> None:
        self.search.add("events", self.curl("/v1/events", "--max-time", "60"))

    def curl(self, path: str, *options: str) -> bytes:
        command = ["curl", "-sN", *options, "--unix-socket", str(self.box.socket)]
        return subprocess.run([*command, f"http://boothd{path}"], capture_output=True, timeout=90).stdout

    def look(self, when: str) -> None:
        """At everything that it shows to others now."""
        for path in ("/v1/status", "/v1/devices", "/v1/schema", "/v1/lamps"):
            self.search.add(f"{path} {when}", self.curl(path))
        self.search.add(f"levels {when}", self.curl("/v1/levels", "--max-time", "1"))
        for verb in (("status",), ("status", "--json"), ("lang",)):
            self.search.add(f"boothd {' '.join(verb)} {when}", self.say(*verb))
        proc = Path(f"/proc/{self.box.process.pid}")
        for name in ("cmdline", "environ", "comm", "status"):
            self.search.add(f"{name} {when}", (proc / name).read_bytes())
        for task in proc.glob("task/*/comm"):
            self.search.add(f"threads {when}", task.read_bytes())

    def say(self, *words: str) -> str:
        command = [*BOOTHD, *words, "--config", str(self.box.config)]
        done = subprocess.run(command, env=self.box.environ, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def end(self) -> None:
        if self.box.process.poll() is None:
            self.box.stop(signal.SIGKILL)
        if self._events.ident is not None:
            self._events.join(60)
        self.search.add("log", self.box.log.read_bytes())
        for path in self.folder.rglob("*"):
            if path.is_file() and path.parent.name not in ("secrets",) and path.name != "sessions.json":
                self.search.add(str(path.relative_to(self.folder)), path.read_bytes())
        left = [path.name for path in self.cwd.iterdir()]
        assert left == [], "a core?"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "credentials.json").write_text(json.dumps(CANARIES | SIGNING))
    with sandbox(folder) as one:
        assert one.said["client_secret"] == CANARIES["client_secret"]
        yield one


def session_of(cloud: Sandbox) -> str:
    (session,) = until(cloud.sessions, "a session")
    return session


@pytest.mark.parametrize("kind", KINDS)
def test_through_a_whole_day_nothing_is_told(tmp_path, cloud, kind):
    one = Daemon(tmp_path, cloud.url, kind)
    one.search.secrets += CANARIES.values()
    try:
        one.box.until("live")
        one.follow()
        first = session_of(cloud)
        one.look("live")
        one.say("lang", "next")
        until(lambda: one.box.status()["confirmed"] == "EN to FR", "EN to FR")
        one.say("pause", "--wait")
        one.say("resume", "--wait", "--timeout", "20")
        one.say("stop", "--wait")
        one.look("ready")
        cloud.fault("no-balance")
        one.say("start")
        one.box.until("fault")
        one.look("fault")
        cloud.clear("no-balance")
        one.say("start", "--wait", "--timeout", "20")
        one.box.until("live")
        second = session_of(cloud)
        one.search.secrets += [first, second]
        runtime = (tmp_path / "run" / "sessions.json").read_text()
        assert second in runtime  # the only place where it may stand
        assert (tmp_path / "run" / "sessions.json").stat().st_mode & 0o777 == 0o600
        assert one.box.stop()[0] == 0
    finally:
        cloud.clear("no-balance")
        one.end()
    log = one.search.places["log"]
    assert "aioice" in log and "RTCPeerConnection" in log and "ice-pwd:[hidden]" in log  # DEBUG of libraries is on
    assert len(one.search.places) > 30 and len(one.search.places["events"]) > 1000
    assert one.search.found() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["bug", "watchdog"])
def test_a_process_that_dies_takes_it_along(tmp_path, cloud, kind, how):
    now = tmp_path / "now"
    program = [sys.executable, "-c", FRAIL, str(now)]
    one = Daemon(tmp_path, cloud.url, kind, program=program)
    one.search.secrets += CANARIES.values()
    try:
        one.box.until("live")
        one.search.secrets.append(session_of(cloud))
        if how == "bug":
            now.touch()
        else:
            one.box.process.send_signal(signal.SIGABRT)
        one.box.process.wait(10)
    finally:
        one.end()
        for session in cloud.sessions():
            pair = {"ClientId": cloud.said["client_id"], "ClientSecret": cloud.said["client_secret"]}
            request = urllib.request.Request(
                f"{cloud.url}/session-storage/sessions/{session}", method="DELETE", headers=pair
            )
            urllib.request.urlopen(request, timeout=5).close()
    log = one.search.places["log"]
    if how == "bug":
        assert one.box.process.returncode != 0 and "Traceback" in log and "RuntimeError" in log and "[hidden]" in log
    else:
        assert one.box.process.returncode == -signal.SIGABRT and "Fatal Python error: Aborted" in log
    assert one.search.found() == []


class Parrot(BaseHTTPRequestHandler):
    """A cloud that refuses, and repeats what it was given in every form."""

    status = 401

    def do_POST(self) -> None:
        headers = map(self.headers.get, ("ClientId", "ClientSecret", "Authorization"))
        given = " ".join(form for header in headers for form in self._forms(header))
        detail = {"type": "x", "status": self.status, "title": given, "detail": given, "instance": given}
        body = json.dumps({"ok": False, "errors": [detail]}).encode()
        self.send_response(self.status, "No")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Given", given)
        self.end_headers()
        self.wfile.write(body)

    def _forms(self, value: str | None) -> list[str]:
        if value is None:
            return []
        return [value, quote(value, safe=""), base64.b64encode(value.encode()).decode(), value.encode().hex()]

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("status", [401, 402, 403, 422, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cloud_that_repeats_what_it_was_given_is_not_repeated(tmp_path, kind, status):
    handler = type("Parrot", (Parrot,), {"status": status})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    one = Daemon(tmp_path, f"http://127.0.0.1:{server.server_address[1]}", kind)
    one.search.secrets += CANARIES.values()
    try:
        picture = one.box.until("waiting" if status == 500 else "fault")
        assert "[hidden]" in picture["fault"]["detail"]
        one.look("refused")
        one.box.stop()
    finally:
        one.end()
        server.shutdown()
        server.server_close()
    assert one.search.found() == []


def test_what_searches_would_find_it(tmp_path):
    search = Search(*CANARIES.values())
    for number, form in enumerate(sorted({form for secret in CANARIES.values() for form in forms(secret)})):
        search.add(str(number), f"x{form}y")
    assert {hit.partition(":")[0] for hit in search.found()} == set(search.places)
