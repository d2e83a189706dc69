"""The story and its talk, told with fakes in virtual time: what the cloud sees, and what the board shows."""

import asyncio
import functools
import json
from collections.abc import Callable
from contextlib import asynccontextmanager

import pytest

from service.board import Board
from service.conductor import Conductor
from service.control import Controls
from service.core.accounts import Accounts
from service.core.commands import (
    Acknowledge,
    AcknowledgeOrPrevious,
    End,
    Floor,
    Identify,
    Mute,
    NextPair,
    Pause,
    Start,
    Stuck,
    ToggleLive,
)
from service.core.errors import (
    Cause,
    CloudRejected,
    CloudUnreachable,
    FaultCode,
    LinkLost,
    PermissionMissing,
    SessionLost,
    TokenRefused,
)
from service.core.idle import Idle
from service.core.intent import Intent
from service.core.lamps import patterns
from service.core.languages import LanguagePair, Menu
from service.core.outages import Outage
from service.core.phase import Phase
from service.core.ports import Sessions
from service.core.status import Fault, summary
from tests.fakes.parts import FakeLineIn, FakeLineOut, World
from tests.fakes.virtual_time import run

ES, FR, DE = (LanguagePair(f"EN to {code.upper()}", "en", (code,)) for code in ("es", "fr", "de"))
SOUND = Fault(FaultCode.SOUND_IN, "SoundCardLost", "the card is gone")


class Stage:
    """A conductor among fakes."""

    def __init__(
        self,
        *,
        autostart: bool = True,
        control: str = "datachannel",
        transport: str = "webrtc",
        pairs: tuple[LanguagePair, ...] = (ES, FR),
        max_session_s: float | None = None,
        renews: bool = False,
        first_wait_s: float = 0.0,
        idle_after_s: float | None = None,
        sessions: Callable[[World, Board], Sessions] = lambda world, board: world,
    ) -> None:
        self.intents: list[Intent] = []
        self.paid: list[float] = []
        self.world, self.board = World(), Board()
        self.line_in, self.line_out = FakeLineIn(), FakeLineOut()
        self.captions: list[str] = []
        self.outages: list[Outage] = []
        self.conductor = Conductor(
            board=self.board,
            menu=Menu(pairs),
            sessions=sessions(self.world, self.board),
            transports=self.world.transports(
                Controls(setting=control, connect=self.world.connect), setting=transport, fallback_after_s=20
            ),
            line_in=self.line_in,
            line_out=self.line_out,
            intent=Intent(pairs[0], on_air=autostart),
            accounts=Accounts(max_session_s=max_session_s),
            renews=renews,
            first_wait_s=first_wait_s,
            on_intent=self.intents.append,
            on_paid=self.paid.append,
            on_caption=lambda caption: self.captions.append(caption.text),
            on_outage=self.outages.append,
            idle=Idle(idle_after_s),
            clock=asyncio.get_running_loop().time,
            chance=lambda: 0.0,
        )
        self.running = asyncio.ensure_future(self.conductor.run())

    @property
    def status(self):
        return self.board.status

    @property
    def alert(self) -> str:
        """What the ALERT lamp shows."""
        return patterns(self.status)["alert"].name

    @property
    def said(self):
        return self.world.said

    async def until(self, phase: Phase, limit_s: float = 100.0) -> None:
        async with asyncio.timeout(limit_s):
            await self.board.until(lambda status: status.phase is phase)

    async def stop(self) -> None:
        self.conductor.stopping()
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@asynccontextmanager
async def stage(**given):
    one = Stage(**given)
    try:
        yield one
    finally:
        await one.stop()


def story(test):
    """Run a test's coroutine in virtual time."""

    @functools.wraps(test)
    def wrapper(**arguments):
        run(test(**arguments))

    return wrapper


@story
async def test_from_the_button_to_the_end():
    async with stage(autostart=False) as box:
        await box.until(Phase.READY)
        await asyncio.sleep(5)
        assert box.said == []
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)
        assert (box.status.wanted, box.status.confirmed, box.status.control) == (ES, ES, "datachannel")
        assert box.line_in.told == ["clear", "go"] and box.line_out.heard == ["es"]
        box.conductor.ask(NextPair())
        assert (box.status.wanted, box.status.confirmed) == (FR, ES)
        await asyncio.sleep(3)
        assert (box.status.confirmed, box.status.phase) == (FR, Phase.LIVE)
        assert box.line_out.heard == ["es", "fr"]
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert box.status.confirmed is None and box.line_out.heard[-1] == "-"
        assert box.said == ["create", "join", "set_task es", "set_task fr", "end_task", "leave", "delete"]
        assert box.line_in.told == ["clear", "go", "clear"]


@story
async def test_the_wish_of_a_quiet_time_opens_the_next_session():
    async with stage(autostart=False) as box:
        box.conductor.ask(NextPair())
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)
        assert box.said == ["create", "join", "set_task fr"]


@story
async def test_lang_hold_acknowledges_what_calls_and_steps_back_when_nothing_does():
    async with stage(pairs=(ES, FR, DE)) as box:
        await box.until(Phase.LIVE)
        box.conductor.sound(SOUND)
        assert box.alert == "code-3"
        box.conductor.ask(AcknowledgeOrPrevious())
        assert (box.alert, box.status.wanted) == ("on", ES)
        box.conductor.ask(AcknowledgeOrPrevious())  # it was seen
        assert (box.alert, box.status.wanted) == ("on", DE)
        box.conductor.sound(None)
        assert box.alert == "off"
        box.conductor.sound(SOUND)
        assert box.alert == "code-3"
        box.conductor.ask(Acknowledge())
        assert box.alert == "on"


@story
async def test_a_box_can_be_asked_which_one_it_is():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(Identify())
        await asyncio.sleep(6)
        box.conductor.ask(Identify())
        await asyncio.sleep(9.9)
        assert box.alert == "fast"
        await asyncio.sleep(0.2)
        assert box.alert == "off"
        box.conductor.ask(Identify())
        box.conductor.ask(Identify(on=False))
        assert box.alert == "off"


@story
async def test_a_stuck_button_is_named_until_it_opens():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(Stuck("lang", True))
        assert box.alert == "slow" and "the LANG button is stuck" in summary(box.status)
        box.conductor.ask(Stuck("lang", False))
        assert box.alert == "off" and "stuck" not in summary(box.status)


@story
async def test_pause_and_resume():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.PAUSED)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)
        assert box.said[2:] == ["set_task es", "pause_task", "set_task es"]
        assert box.line_in.told == ["go", "hold", "keep", "go"]


@story
async def test_what_a_person_has_paused_is_paused_in_the_next_session_too():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.PAUSED)
        box.world.links[0].lose()
        await box.until(Phase.WAITING)
        await box.until(Phase.PAUSED)
        await asyncio.sleep(100)
        assert box.status.phase is Phase.PAUSED and box.said[-2:] == ["create", "join"]
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)
        assert box.line_in.told == ["go", "hold", "keep", "go"]


@story
async def test_mute_needs_no_session():
    async with stage(autostart=False) as box:
        for asked, muted in ((None, True), (None, False), (True, True), (True, True), (False, False)):
            box.conductor.ask(Mute(asked))
            assert (box.status.muted, box.line_out.muted) == (muted, muted)


@story
async def test_the_floor_needs_no_session():
    async with stage(autostart=False) as box:
        for asked, chosen in ((None, True), (None, False), (True, True), (True, True), (False, False)):
            box.conductor.ask(Floor(asked))
            assert box.status.floor_chosen == chosen
            assert ("floor is selected" in summary(box.status)) == chosen


@story
async def test_a_lost_room_is_left_and_joined_anew():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.world.links[0].lose()
        await box.until(Phase.WAITING)
        assert box.status.fault.name == "LinkLost" and box.status.listeners_lost_sound and box.status.network
        await box.until(Phase.LIVE)
        assert box.status.fault is None and not box.status.listeners_lost_sound
        assert box.said == ["create", "join", "set_task es", "end_task", "leave", "delete"] + [
            *("create", "join", "set_task es")
        ]


@story
async def test_a_path_that_is_silent_is_no_live_and_comes_back_without_a_word():
    async with stage() as box:
        await box.until(Phase.LIVE)
        link = box.world.links[0]
        link.alive = False
        await box.until(Phase.WAITING)
        assert box.status.fault.name == "LinkLost" and box.status.listeners_lost_sound
        await asyncio.sleep(45)  # longer than the task goes unasked otherwise
        link.alive = True
        await box.until(Phase.LIVE)
        assert box.status.fault is None
        await asyncio.sleep(20)
        assert box.said == ["create", "join", "set_task es"]
        assert [(outage.cause, round(outage.duration_s)) for outage in box.outages] == [(Cause.MEDIA, 45)]


@story
async def test_a_room_that_was_joined_anew_is_asked_whether_the_task_still_runs():
    async with stage() as box:
        await box.until(Phase.LIVE)
        link = box.world.links[0]
        link.alive, link.loss = False, LinkLost("the signalling is closed")
        await box.until(Phase.WAITING)
        assert box.status.fault.detail == "the signalling is closed"
        await asyncio.sleep(2)
        link.links, link.alive, link.loss = 2, True, None
        await box.until(Phase.LIVE)
        await asyncio.sleep(3)
        assert box.said[3:] == ["get_task"]
        assert [outage.cause for outage in box.outages] == [Cause.ROOM]


@story
async def test_a_translator_that_leaves_costs_the_session():
    async with stage() as box:
        await box.until(Phase.LIVE)
        await asyncio.sleep(1)
        box.world.links[0].inside.clear()
        box.world.create_s = 2
        await box.until(Phase.WAITING, 15)
        assert "translator" in box.status.fault.detail
        await box.until(Phase.LIVE)
        assert [outage.cause for outage in box.outages] == [Cause.TRANSLATOR]


@story
async def test_a_translation_without_a_track_costs_the_session():
    async with stage() as box:
        box.world.languages = ["fr"]
        await box.until(Phase.LIVE)
        await box.until(Phase.WAITING)
        assert "no track" in box.status.fault.detail
        assert box.said[2:4] == ["set_task es", "get_task"]


@story
async def test_one_target_of_several_without_a_track_does_not_cost_the_session():
    async with stage(pairs=(LanguagePair("both", "en", ("de", "es")),)) as box:
        box.world.languages = ["es"]
        await box.until(Phase.LIVE)
        await asyncio.sleep(100)
        assert box.status.phase is Phase.LIVE and box.said.count("create") == 1


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (lambda box: box.world.links[0].lose(LinkLost("UDP", cause=Cause.ADDRESS)), Cause.ADDRESS),
        (lambda box: box.conductor.sound(SOUND), Cause.SOUND_IN),
    ],
)
@story
async def test_a_loss_that_a_person_ends_is_one_record_too(end, cause):
    async with stage() as box:
        box.world.create_s = 2
        await box.until(Phase.LIVE)
        end(box)
        await asyncio.sleep(1.5)
        box.conductor.sound(None)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert [outage.cause for outage in box.outages] == [cause]


@story
async def test_what_a_person_takes_off_air_is_no_loss():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.PAUSED)
        await asyncio.sleep(10)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert box.outages == []


@story
async def test_a_room_whose_media_stay_away_gives_way_to_the_websocket_for_one_session():
    async with stage(transport="auto") as box:
        await box.until(Phase.LIVE)
        assert box.status.transport == "webrtc"
        box.world.links[0].alive = False
        began_s = asyncio.get_running_loop().time()
        while box.status.transport != "websocket":
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(21, abs=1)
        await box.until(Phase.LIVE)
        assert box.status.control == "websocket" and "sound over the WebSocket" in summary(box.status)
        assert [outage.cause for outage in box.outages] == [Cause.MEDIA]
        box.world.links[1].lose()
        await box.until(Phase.WAITING)
        await box.until(Phase.LIVE)
        assert box.status.transport == "webrtc"
        assert [said for said in box.said if said.startswith("join")] == ["join", "join by socket", "join"]


@story
async def test_a_room_that_never_connects_gives_way_too():
    async with stage(transport="auto") as box:
        box.world.refuse_join = [LinkLost("no media", cause=Cause.MEDIA) for _ in range(2)]
        box.world.join_s = 12
        while box.status.transport is None:
            await asyncio.sleep(0.1)
        assert [said for said in box.said if said.startswith("join")] == ["join", "join", "join by socket"]


@pytest.mark.parametrize("reached", [True, False])
@story
async def test_where_nothing_is_reached_or_nothing_else_allowed_the_room_is_kept(reached):
    async with stage(transport="webrtc" if reached else "auto") as box:
        await box.until(Phase.LIVE)
        box.world.links[0].alive, box.world.links[0].reached = False, reached
        await box.until(Phase.WAITING)
        await asyncio.sleep(100)
        assert box.said == ["create", "join", "set_task es"]


@story
async def test_sound_may_always_go_over_the_websocket():
    async with stage(transport="websocket", control="auto") as box:
        await box.until(Phase.LIVE)
        assert (box.status.transport, box.status.control) == ("websocket", "websocket")
        assert box.world.sockets == [] and box.said == ["create", "join by socket", "set_task es"]


@story
async def test_waits_grow_and_a_tap_ends_one():
    async with stage() as box:
        loop = asyncio.get_running_loop()
        box.world.refuse_create = [CloudUnreachable("no connection") for _ in range(8)]
        began_s = loop.time()
        await box.until(Phase.LIVE, 200)
        # Half of 0.5, 1, 2, 4, 8, 15, 15, 15 with no luck.
        assert loop.time() - began_s == pytest.approx(0.5 * 60.5, abs=1.5)
        box.world.create_s = 1
        box.world.links[0].lose()
        await box.until(Phase.WAITING)
        began_s = loop.time()
        box.conductor.ask(ToggleLive())
        await box.until(Phase.CREATING)
        assert loop.time() - began_s < 0.1


@story
async def test_a_network_that_stays_away_becomes_a_matter_for_a_person():
    async with stage() as box:
        box.world.refuse_create = [CloudUnreachable("no connection") for _ in range(20)]
        await box.until(Phase.WAITING)
        assert (box.status.network, box.status.network_overdue) == (False, False)
        await asyncio.sleep(29)
        assert not box.status.network_overdue
        await asyncio.sleep(2)
        assert box.status.network_overdue
        box.world.refuse_create = []
        await box.until(Phase.LIVE)
        assert (box.status.network, box.status.network_overdue) == (True, False)


@story
async def test_the_same_trouble_is_logged_once_an_outage(caplog):
    async with stage() as box:
        for _ in range(2):
            box.world.refuse_create = [CloudUnreachable("no connection") for _ in range(3)]
            await box.until(Phase.WAITING)
            await box.until(Phase.LIVE)
            box.world.links[-1].lose(LinkLost("the link is gone"))
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert [text.partition(";")[0] for text in warnings] == ["no connection", "the link is gone", "no connection"]


@story
async def test_trouble_of_the_service_is_not_the_network():
    async with stage() as box:
        box.world.refuse_create = [CloudUnreachable("503", code=FaultCode.SERVICE, retry_after_s=7)]
        await box.until(Phase.WAITING)
        assert box.status.network and box.status.fault.code is FaultCode.SERVICE
        await asyncio.sleep(6)
        assert box.status.phase is Phase.WAITING  # as long as the cloud asked for


@story
async def test_a_refusal_is_a_fault_with_a_slow_retry_and_a_tap_tries_at_once():
    async with stage() as box:
        box.world.refuse_create = [CloudRejected("no balance"), CloudRejected("no balance")]
        await box.until(Phase.FAULT)
        assert box.status.fault == Fault(FaultCode.CREDENTIALS, "CloudRejected", "no balance")
        await asyncio.sleep(59)
        assert box.said == ["create"]
        await asyncio.sleep(2)
        assert box.said == ["create", "create"]
        box.conductor.ask(ToggleLive())
        await box.until(Phase.LIVE)


@story
async def test_the_button_ends_a_fault():
    async with stage() as box:
        box.world.refuse_create = [CloudRejected("no balance")]
        await box.until(Phase.FAULT)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        await asyncio.sleep(300)
        assert box.status.phase is Phase.READY and box.said == ["create"]


@story
async def test_a_missing_right_to_listen_is_asked_for_once():
    async with stage() as box:
        box.world.refuse_join = [PermissionMissing(frozenset({"subscribe"})) for _ in range(2)]
        await box.until(Phase.FAULT)
        assert box.said == ["create", "join", "delete", "create with publisher_can_subscribe", "join", "delete"]
        assert box.status.fault.name == "PermissionMissing"
        await asyncio.sleep(290)
        assert len(box.said) == 6


@pytest.mark.parametrize("right", ["publish", "data"])
@story
async def test_other_missing_rights_are_a_fault_at_once(right):
    async with stage() as box:
        box.world.refuse_join = [PermissionMissing(frozenset({right}))]
        await box.until(Phase.FAULT)
        assert box.said == ["create", "join", "delete"] and right in box.status.fault.detail


@story
async def test_a_refused_token_is_renewed_once():
    async with stage() as box:
        box.world.refuse_join = [TokenRefused("401"), TokenRefused("401")]
        await box.until(Phase.FAULT)
        assert box.said == ["create", "join", "delete"] * 2


@story
async def test_a_lost_card_is_a_fault_and_the_session_is_kept():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.sound(SOUND)
        assert (box.status.phase, box.status.fault) == (Phase.FAULT, SOUND)
        await asyncio.sleep(5)
        box.conductor.sound(None)
        assert (box.status.phase, box.status.fault) == (Phase.LIVE, None)
        assert box.said == ["create", "join", "set_task es"]


@story
async def test_no_session_is_created_without_sound():
    async with stage(autostart=False) as box:
        box.conductor.sound(SOUND)
        box.conductor.ask(ToggleLive())
        await asyncio.sleep(5)
        assert box.said == [] and box.status.phase is Phase.FAULT
        box.conductor.sound(None)
        await box.until(Phase.LIVE)


@story
async def test_with_sound_for_some_a_session_is_created_and_the_fault_is_shown():
    async with stage(autostart=False) as box:
        box.conductor.sound(SOUND)
        box.conductor.ask(ToggleLive())
        await asyncio.sleep(5)
        box.conductor.sound(SOUND, partly=True)
        await asyncio.sleep(5)
        assert box.said == ["create", "join", "set_task es"]
        assert (box.status.phase, box.status.fault) == (Phase.FAULT, SOUND)


@story
async def test_captions_are_handed_on_once():
    async with stage() as box:
        await box.until(Phase.LIVE)
        caption = {"transcription": {"transcription_id": "1", "language": "es", "text": "Hola", "segments": []}}
        message = json.dumps({"message_type": "translated_transcription", "data": caption}).encode()
        for payload in (message, b"no JSON", message):
            box.world.links[0].incoming.put_nowait(payload)
        await asyncio.sleep(1)
        assert box.captions == ["Hola"] and box.status.phase is Phase.LIVE


# -- the control (palabra-api 2.9) ------------------------------------------------------------------------------------


@story
async def test_auto_speaks_over_the_websocket():
    async with stage(control="auto") as box:
        await box.until(Phase.LIVE)
        assert box.status.control == "websocket"


@story
async def test_a_refused_websocket_is_remembered():
    async with stage(control="auto") as box:
        box.world.refuse_socket = [SessionLost("403")]
        await box.until(Phase.LIVE)
        assert box.status.control == "datachannel" and box.said == ["create", "join", "set_task es"]
        box.world.links[0].lose()
        await box.until(Phase.WAITING)
        await box.until(Phase.LIVE)
        assert box.world.sockets == []


@story
async def test_a_websocket_without_readiness_is_closed_before_the_data_channel_speaks():
    async with stage(control="auto") as box:
        box.world.silent = {"websocket"}
        await box.until(Phase.PREPARING)
        began_s = asyncio.get_running_loop().time()
        await box.until(Phase.LIVE)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(10.3, abs=0.3)
        closed = box.said.index("close socket")
        assert set(box.said[2:closed]) == {"set_task es", "get_task"} and box.said[closed + 1 :] == ["set_task es"]


@story
async def test_a_websocket_that_is_the_only_way_is_waited_for():
    async with stage(control="websocket") as box:
        box.world.refuse_socket = [SessionLost("403")]
        await box.until(Phase.WAITING)
        assert box.said == ["create", "join", "leave", "delete"]
        await box.until(Phase.LIVE)
        box.world.sockets[0].close()
        await box.until(Phase.WAITING)


@story
async def test_after_a_pause_taken_back_line_in_goes_on_when_what_is_said_is_translated():
    async with stage() as box:
        await box.until(Phase.LIVE)
        for command in (ToggleLive(), ToggleLive()):  # before the cloud was told
            box.conductor.ask(command)
        await asyncio.sleep(1)
        assert box.said[2:] == ["set_task es"] and box.line_in.told == ["go", "hold", "keep", "go"]
        for command in (ToggleLive(), ToggleLive()):  # and after that
            box.conductor.ask(command)
            await asyncio.sleep(0.1)
        assert box.status.phase is Phase.LIVE and box.said[3:] == ["pause_task"]
        await asyncio.sleep(0.3)
        assert box.status.phase is Phase.PAUSED and box.line_in.told[4:] == ["hold", "keep"]
        await box.until(Phase.LIVE)
        assert box.said[4:] == ["set_task es"] and box.line_in.told[4:] == ["hold", "keep", "go"]


@story
async def test_a_pause_asked_for_while_preparing_holds_line_in_at_once():
    async with stage() as box:
        await box.until(Phase.PREPARING)
        box.conductor.ask(ToggleLive())
        await box.until(Phase.PAUSED)
        assert box.line_in.told == ["hold"]
        box.conductor.ask(NextPair())
        await asyncio.sleep(3)
        assert box.line_in.told == ["hold"]


@story
async def test_a_websocket_that_closes_hands_over_to_the_data_channel():
    async with stage(control="auto") as box:
        await box.until(Phase.LIVE)
        box.world.sockets[0].close()
        await asyncio.sleep(1.5)
        box.conductor.ask(NextPair())
        await asyncio.sleep(3)
        assert (box.status.confirmed, box.status.control, box.status.phase) == (FR, "datachannel", Phase.LIVE)


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "due"),
    [
        (Phase.READY, []),
        (Phase.CREATING, ["create"]),
        (Phase.JOINING, ["create", "join", "delete"]),
        (Phase.PREPARING, ["create", "join", "set_task es", "end_task", "leave", "delete"]),
        (Phase.LIVE, ["create", "join", "set_task es", "end_task", "leave", "delete"]),
        (Phase.PAUSED, ["create", "join", "set_task es", "pause_task", "end_task", "leave", "delete"]),
        (Phase.WAITING, ["create"]),
        (Phase.FAULT, ["create"]),
    ],
)
@story
async def test_a_stop_does_what_is_due_in_each_phase(phase, due):
    async with stage(autostart=phase is not Phase.READY) as box:
        if phase is Phase.CREATING:
            box.world.create_s = 60
        if phase is Phase.JOINING:
            box.world.join_s = 60
        if phase in (Phase.WAITING, Phase.FAULT):
            error = CloudUnreachable("gone") if phase is Phase.WAITING else CloudRejected("no balance")
            box.world.refuse_create = [error]
        if phase is Phase.PREPARING:
            box.world.silent = {"datachannel"}
        if phase is Phase.PAUSED:
            await box.until(Phase.LIVE)
            box.conductor.ask(ToggleLive())
        await box.until(phase)
        await asyncio.sleep(0.01)
        await box.stop()
        assert box.said == due and box.status.phase is Phase.STOPPING


@story
async def test_a_bug_ends_the_conductor():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.world.links[0].lose(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await box.running
        assert box.said[-3:] == ["end_task", "leave", "delete"]


@story
async def test_what_the_cloud_finds_wrong_is_logged_once(caplog):
    def told(kind: str, **data: str) -> bytes:
        return json.dumps({"message_type": kind, "data": data}).encode()

    async with stage() as box:
        await box.until(Phase.PREPARING)
        box.world.links[-1].incoming.put_nowait(told("error", code="NOT_FOUND", desc="expected while it starts"))
        await box.until(Phase.LIVE)
        for _ in range(3):
            box.world.links[-1].incoming.put_nowait(told("error", code="BRAND_NEW", desc="no document\nknows this"))
            box.world.links[-1].incoming.put_nowait(told("warning", code="VOICE_NOT_FOUND", message="another speaks"))
        await asyncio.sleep(1)
        assert box.status.phase is Phase.LIVE
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "the cloud says BRAND_NEW: no document knows this",
            "the cloud says VOICE_NOT_FOUND: another speaks",
        ]


@story
async def test_a_closed_socket_with_nobody_in_the_room_is_a_lost_session():
    async with stage(control="auto") as box:
        await box.until(Phase.LIVE)
        box.world.silent.add("datachannel")
        box.world.sockets[-1].close()
        await box.until(Phase.WAITING, limit_s=20)
        assert "does not answer" in box.status.fault.detail


# -- how long, and what it costs --------------------------------------------------------------------------------------


@story
async def test_what_a_person_wants_is_told_and_what_happens_by_itself_is_not():
    async with stage(autostart=False) as box:
        box.conductor.ask(NextPair())
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)
        box.world.links[-1].lose(LinkLost("the room is gone"))
        await box.until(Phase.WAITING)
        await box.until(Phase.LIVE)
        assert box.intents == [Intent(FR), Intent(FR, on_air=True)] and box.status.confirmed == FR
        box.conductor.ask(Mute())
        box.conductor.ask(Pause())
        assert box.intents[2:] == [Intent(FR, on_air=True, paused=True)]
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert box.status.wanted == FR
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)
        assert box.status.confirmed == FR
    assert box.intents[3:] == [Intent(FR), Intent(FR, on_air=True)]  # being stopped is no wish


@story
async def test_only_what_is_translated_is_paid():
    async with stage() as box:
        await box.until(Phase.LIVE)
        began_s, clock = asyncio.get_running_loop().time(), asyncio.get_running_loop().time
        await asyncio.sleep(100)
        box.conductor.ask(Pause())
        await box.until(Phase.PAUSED)
        paid_s = clock() - began_s
        await asyncio.sleep(1000)
        assert box.conductor.accounts.paid_s(clock()) == pytest.approx(paid_s, abs=0.6)
        assert box.paid[1:] == [pytest.approx(paid_s, abs=0.6)]  # every ten minutes: the card lives longer
        assert box.status.session_min == 18 and "session 0 h 18 min" in summary(box.status)
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)
        await asyncio.sleep(50)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert box.paid[-1] == pytest.approx(paid_s + 50, abs=3)
        assert box.status.session_min is None


@story
async def test_a_session_that_nobody_ended_ends_by_itself_and_says_so():
    async with stage(max_session_s=3600) as box:
        await box.until(Phase.LIVE)
        await asyncio.sleep(3000)
        box.world.links[-1].lose(LinkLost("the room is gone"))  # which does not begin the time anew
        await box.until(Phase.LIVE)
        await box.until(Phase.READY, 700)
        assert box.said[-3:] == ["end_task", "leave", "delete"] and "session.max_session" in summary(box.status)
        assert box.intents == [Intent(ES)]
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)
        assert "session.max_session" not in summary(box.status)
        await asyncio.sleep(3000)
        assert box.status.phase is Phase.LIVE


@story
async def test_an_outage_does_not_make_a_session_last_longer_and_no_new_one_is_begun_at_its_end():
    async with stage(max_session_s=180) as box:
        await box.until(Phase.LIVE)
        box.world.refuse_create = [CloudUnreachable("nobody there")] * 1000
        box.world.links[-1].lose(LinkLost("the room is gone"))
        await box.until(Phase.READY, 220)
        assert "ended by itself after session.max_session of 3 min" in summary(box.status)
        assert box.said[-1] == "create" and box.intents == [Intent(ES)]


@story
async def test_a_box_that_is_always_on_begins_a_new_session_instead():
    async with stage(max_session_s=3600, renews=True) as box:
        await box.until(Phase.LIVE)
        await asyncio.sleep(3700)
        await box.until(Phase.LIVE)
        assert box.said.count("create") == box.said.count("delete") + 1 == 2 and not box.intents


@story
async def test_ended_and_begun_anew_in_one_moment():
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.conductor.ask(End())
        box.conductor.ask(Start())
        await asyncio.sleep(5)
        assert box.status.phase is Phase.LIVE
        assert box.said.count("create") == box.said.count("delete") + 1 == 2


@story
async def test_after_a_crash_loop_the_first_session_waits_but_for_nobody_who_asks():
    async with stage(first_wait_s=8.0) as box:
        await asyncio.sleep(1)
        box.conductor.look_again()  # another network is nobody
        box.conductor.sound(SOUND)
        await asyncio.sleep(1)
        box.conductor.sound(None)
        await asyncio.sleep(5.9)
        assert box.said == []
        await asyncio.sleep(0.2)
        assert box.said[0] == "create"
    async with stage(first_wait_s=8.0) as box:
        await asyncio.sleep(1)
        box.conductor.ask(ToggleLive())
        await asyncio.sleep(0.1)
        assert box.said[0] == "create"


@pytest.mark.parametrize("autostart", [False, True])
@story
async def test_what_a_crash_left_open_is_deleted_before_anything_else_and_also_by_a_box_that_stays_off_air(autostart):
    async with stage(autostart=autostart) as box:
        await asyncio.sleep(5)
        assert box.world.tidied == [0]
