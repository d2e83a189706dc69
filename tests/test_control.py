"""Local control outside-in: a daemon against a sandbox, and those who ask, follow and do not read (M14)."""

import asyncio
import stat
import time

import pytest

from service.web.client import Declined, fetch, follow, send
from tests.fakes.processes import box, credentials, recording, sandbox, settings_for

pytestmark = pytest.mark.slow

VOLATILE = ("levels", "frames", "xruns", "devices", "session_age_s", "paid_s")


@pytest.fixture
def one(tmp_path):
    recording(tmp_path / "nothing.wav")
    with sandbox(tmp_path) as cloud:
        settings = settings_for(tmp_path, cloud.url, line_in=str(tmp_path / "nothing.wav"))
        with box(tmp_path, settings, environ=credentials(cloud)) as running:
            running.until("ready")
            yield running


class Follower:
    """Keeps every picture with the time at which it came."""

    def __init__(self, socket) -> None:
        self.heard: list[tuple[float, dict]] = []
        self.task = asyncio.create_task(self._listen(socket))

    async def _listen(self, socket) -> None:
        async for picture in follow(socket, "/v1/events"):
            self.heard.append((time.monotonic(), picture))

    async def until(self, condition) -> float:
        """When the first picture that meets it came."""
        async with asyncio.timeout(30):
            while True:
                for when_s, picture in self.heard:
                    if condition(picture):
                        return when_s
                await asyncio.sleep(0.01)


async def test_two_who_follow_see_what_a_third_asks_for_and_one_who_does_not_read_holds_nobody(one):
    assert stat.S_IMODE(one.socket.stat().st_mode) == 0o660
    stuck = []
    for _ in range(3):
        reader, writer = await asyncio.open_unix_connection(str(one.socket), limit=1024)
        writer.write(b"GET /v1/levels HTTP/1.1\r\nHost: boothd\r\n\r\n")
        stuck.append((reader, writer))
    followers = [Follower(one.socket) for _ in range(2)]
    for follower in followers:
        await follower.until(lambda picture: picture["phase"] == "ready")
    steps = (
        ("/v1/session", {"action": "start"}, lambda picture: picture["phase"] == "live"),
        ("/v1/language", {"source": "en", "target": "fr"}, lambda picture: picture["confirmed"] == "EN to FR"),
        ("/v1/mute", {"on": True}, lambda picture: picture["muted"]),
        ("/v1/session", {"action": "pause"}, lambda picture: picture["phase"] == "paused"),
        (
            "/v1/session",
            {"action": "stop"},
            lambda picture: picture["confirmed"] is None and picture["phase"] == "ready",
        ),
    )
    for path, body, come_about in steps:
        for follower in followers:
            follower.heard.clear()
        asked_s = time.monotonic()
        assert (await send(one.socket, path, body)).items() >= body.items()
        came_s = [await follower.until(come_about) for follower in followers]
        if path == "/v1/mute":
            assert max(came_s) - asked_s < 2.0  # 200 ms are promised; a busy machine is forgiven
    assert one.stop()[0] == 0
    for follower in followers:
        await asyncio.gather(follower.task, return_exceptions=True)  # NotReachable: the daemon has ended
    for _, writer in stuck:
        writer.close()
    assert "Traceback" not in one.log.read_text()


async def test_no_get_changes_what_the_box_does(one):
    def kept(picture):
        return {name: value for name, value in picture.items() if name not in VOLATILE}

    before = kept(await fetch(one.socket, "/v1/status"))
    for path in ("devices", "lamps", "schema", "status"):
        await fetch(one.socket, f"/v1/{path}")
    for path in ("levels", "events"):
        async for _ in follow(one.socket, f"/v1/{path}"):
            break
    for path in ("session", "language", "mute", "floor", "alert/ack", "identify", "tone"):
        with pytest.raises(Declined) as caught:
            await fetch(one.socket, f"/v1/{path}")
        assert caught.value.status == 405
    assert kept(await fetch(one.socket, "/v1/status")) == before


async def test_a_box_whose_settings_are_broken_declines_with_the_reason_and_still_shows_itself(one):
    one.config.write_text(one.config.read_text() + '[session]\nintent = "fun"\n')
    one.stop()
    with one.log.open("w"):
        pass
    again = type(one)(one.folder, one.config.read_text(), environ=one.environ)
    try:
        assert again.until("fault")["fault"]["code"] == 6
        for path, body in (("session", {"action": "start"}), ("language", {"step": "next"}), ("mute", {})):
            with pytest.raises(Declined, match="session.intent") as caught:
                await send(again.socket, f"/v1/{path}", body)
            assert caught.value.status == 503
        follower = Follower(again.socket)
        await follower.until(lambda picture: picture["phase"] == "fault")
        follower.task.cancel()
    finally:
        again.stop()
