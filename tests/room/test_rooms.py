"""The box's way into a room, against the embedded one."""

import pytest

from service.core.errors import Cause, FaultCode, LinkLost, PermissionMissing, TokenRefused
from service.core.session import Session
from service.room import link
from service.room.rooms import Rooms
from service.room.tracks import PacketQueue
from tests.fakes.rooms import Ear, embedded
from tests.room.test_link import frame, until


def session(url: str, token: str) -> Session:
    return Session("id", token, (), "r", url, None)


async def test_line_in_goes_out_and_only_translations_come_in():
    asked: dict[str, Ear] = {}
    rooms, line_in = Rooms(), PacketQueue()
    async with embedded() as server:
        async with rooms.join(session(server.url, "r/box"), line_in, lambda code: asked.setdefault(code, Ear())):
            async with link.join(server.url, "r/cloud", sink_for=lambda track: Ear()) as cloud:
                for name in ("Translation_ES", "announcements", "translation_pt-br"):
                    await cloud.publish(name, PacketQueue())
                await until(lambda: len(asked) == 2)
            for n in range(3):
                line_in.push(frame(n))
            await until(lambda: rooms.packets_sent == 3)
        assert asked.keys() == {"es", "pt-br"} and rooms.packets_sent == 3
        async with rooms.join(session(server.url, "r/box"), line_in, lambda code: None):
            line_in.push(frame(3))
            await until(lambda: rooms.packets_sent == 4)


@pytest.mark.parametrize(
    ("rights", "missing"),
    [("sd", {"publish"}), ("pd", {"subscribe"}), ("ps", {"data"}), ("-", {"publish", "subscribe", "data"})],
)
async def test_missing_rights_are_named_before_anything_is_published(rights, missing):
    async with embedded() as server:
        with pytest.raises(PermissionMissing) as caught:
            async with Rooms().join(session(server.url, f"r/box/{rights}"), PacketQueue(), lambda code: None):
                pass
        assert caught.value.rights == missing


async def test_a_refused_token_is_no_lost_link():
    async with embedded() as server:
        with pytest.raises(TokenRefused):
            async with Rooms().join(session(server.url, "nobody"), PacketQueue(), lambda code: None):
                pass


async def test_a_link_that_is_given_up_is_left_and_the_reason_is_kept():
    rooms, line_in = Rooms(), PacketQueue()
    dead = LinkLost("nothing is sent", code=FaultCode.BOX)
    rooms.lose(dead)  # there is none yet
    async with embedded() as server:
        async with rooms.join(session(server.url, "r/box"), line_in, lambda code: None) as stay:
            rooms.lose(dead)
            with pytest.raises(LinkLost, match="^nothing is sent") as caught:  # the fake's new token joins nothing
                await stay.pump()
            assert caught.value.cause is Cause.BOX
