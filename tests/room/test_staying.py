"""A stay over several links, in virtual time."""

import asyncio
import functools
from contextlib import asynccontextmanager

import pytest

from service.core.errors import Cause, LinkLost, PermissionMissing, TokenRefused
from service.room.staying import REJOIN_S, Stay, staying
from tests.fakes.virtual_time import run


class Link:
    """One link: `lose` ends it, `said` is what was sent by it."""

    def __init__(self, number: int) -> None:
        self.token = f"token {number}"
        self.alive, self.left, self.stuck = True, False, False
        self.said: list[bytes] = []
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.inside: set[str] = set()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lose(self, error: Exception | None = None) -> None:
        self.alive = False
        self._lost.set_exception(error or LinkLost("it broke"))

    async def pump(self) -> None:
        await asyncio.shield(self._lost)

    async def send(self, message: bytes) -> None:
        if not self.alive or self.stuck:
            raise LinkLost("not open")
        self.said.append(message)

    async def messages(self):
        while True:
            yield await self.incoming.get()

    def is_present(self, prefix: str) -> bool:
        return prefix in self.inside

    async def present(self, prefix: str) -> None:
        while prefix not in self.inside:
            await asyncio.sleep(0.1)


class Room:
    """Gives links; `refuse` holds errors for the next joins, None for one that works."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.joins: list[tuple[float, str | None]] = []
        self.refuse: list[Exception | None] = []

    @asynccontextmanager
    async def enter(self, token: str | None):
        self.joins.append((asyncio.get_running_loop().time(), token))
        problem = self.refuse.pop(0) if self.refuse else None
        if problem is not None:
            raise problem
        self.links.append(Link(len(self.links) + 1))
        try:
            yield self.links[-1]
        finally:
            self.links[-1].left = True


@asynccontextmanager
async def stay_in(room: Room, *, good_s: float = 20.0):
    """A stay that has lasted for a while, and what becomes of its pump."""
    loop = asyncio.get_running_loop()
    async with staying(room.enter, clock=loop.time, chance=lambda: 0.0) as stay:
        pumping = asyncio.ensure_future(stay.pump())
        await asyncio.sleep(good_s)
        try:
            yield stay, pumping
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)


def story(test):
    @functools.wraps(test)
    def wrapper(**arguments):
        run(test(**arguments))

    return wrapper


async def settled(stay: Stay) -> None:
    async with asyncio.timeout(2 * REJOIN_S):
        while not stay.alive:
            await asyncio.sleep(0.01)


@story
async def test_a_lost_link_is_replaced_at_once_with_the_newest_token():
    room = Room()
    async with stay_in(room) as (stay, _):
        room.links[0].token = "renewed"
        room.links[0].lose()
        await asyncio.sleep(0.01)
        assert (stay.links, stay.alive, stay.loss) == (2, True, None)
        assert room.links[0].left and [token for _, token in room.joins] == [None, "renewed"]
    assert room.links[1].left


@story
async def test_it_is_tried_again_for_a_minute_and_the_first_cause_is_told():
    room = Room()
    async with stay_in(room) as (stay, pumping):
        room.refuse = [LinkLost("no way there", cause=Cause.NETWORK) for _ in range(1000)]
        room.links[0].lose(LinkLost("it broke", cause=Cause.MEDIA))
        await asyncio.sleep(1)
        assert not stay.alive and stay.loss is not None and stay.loss.cause is Cause.NETWORK
        with pytest.raises(LinkLost, match="it broke; no way there") as caught:
            await pumping
        assert caught.value.cause is Cause.MEDIA
        assert REJOIN_S <= room.joins[-1][0] - room.joins[1][0] <= REJOIN_S + 2
        apart = [later - sooner for (sooner, _), (later, _) in zip(room.joins[1:], room.joins[2:], strict=False)]
        assert max(apart) <= 2 and min(apart) >= 0.25


@pytest.mark.parametrize("cause", [Cause.ROOM_GONE, Cause.REMOVED, Cause.DUPLICATE])
@story
async def test_where_we_are_not_wanted_we_do_not_come_back(cause):
    for when in ("lost", "rejoining"):
        room = Room()
        async with stay_in(room) as (_, pumping):
            final = LinkLost("go", cause=cause, retry_after_s=60)
            if when == "rejoining":
                room.refuse = [final]
            room.links[0].lose(final if when == "lost" else None)
            with pytest.raises(LinkLost) as caught:
                await pumping
            assert caught.value.retry_after_s == 60
            assert len(room.joins) == (1 if when == "lost" else 2)


@story
async def test_a_token_that_is_refused_now_is_a_matter_for_a_new_session():
    room = Room()
    async with stay_in(room) as (_, pumping):
        room.refuse = [TokenRefused("401")]
        room.links[0].lose()
        with pytest.raises(LinkLost, match="it broke; 401"):
            await pumping


@story
async def test_a_right_that_was_withdrawn_is_told():
    room = Room()
    async with stay_in(room) as (_, pumping):
        room.links[0].lose(PermissionMissing(frozenset({"publish"})))
        with pytest.raises(PermissionMissing):
            await pumping


@story
async def test_a_link_that_breaks_again_and_again_is_given_up_too():
    room = Room()
    async with stay_in(room) as (stay, pumping):
        while not pumping.done():
            room.links[-1].lose()
            await asyncio.sleep(0.01)
            while not stay.alive and not pumping.done():
                await asyncio.sleep(0.05)
        assert 30 < len(room.joins) < 100


@story
async def test_what_is_said_and_heard_goes_by_the_link_there_is():
    room = Room()
    async with stay_in(room) as (stay, _):
        heard: list[bytes] = []

        async def listen() -> None:
            async for message in stay.messages():
                heard.append(message)

        listening = asyncio.ensure_future(listen())
        first = room.links[0]
        first.incoming.put_nowait(b"1")
        await asyncio.sleep(0.01)
        room.refuse = [LinkLost("not yet"), LinkLost("not yet")]
        first.lose()
        sending = asyncio.ensure_future(stay.send(b"hello"))
        await asyncio.sleep(0.01)
        assert not sending.done()
        first.incoming.put_nowait(b"late")  # of a link that is gone
        await sending
        assert first.said == [] and room.links[1].said == [b"hello"]
        room.links[1].incoming.put_nowait(b"2")
        await asyncio.sleep(0.01)
        assert heard == [b"1", b"2"]
        room.links[1].stuck = True
        with pytest.raises(LinkLost):
            await stay.send(b"lost")
        listening.cancel()


@story
async def test_somebody_is_waited_for_over_a_rejoin():
    room = Room()
    async with stay_in(room) as (stay, _):
        waiting = asyncio.ensure_future(stay.present("translator"))
        await asyncio.sleep(1)
        room.links[0].lose()
        await settled(stay)
        assert not waiting.done() and not stay.is_present("translator")
        room.links[1].inside.add("translator")
        await asyncio.sleep(1)
        assert waiting.done() and stay.is_present("translator")


@story
async def test_the_first_join_is_tried_once():
    room = Room()
    room.refuse = [LinkLost("no")]
    with pytest.raises(LinkLost):
        async with staying(room.enter):
            pass
    assert len(room.joins) == 1


@story
async def test_a_stop_while_joining_anew_ends_it():
    room = Room()
    async with stay_in(room) as (stay, pumping):
        room.refuse = [LinkLost("no")] * 100
        room.links[0].lose()
        await asyncio.sleep(5)
        pumping.cancel()
        await asyncio.sleep(0)
    assert room.links[0].left and len(room.links) == 1
