"""One booth in a real embedded room, its ears and its voices played by hand."""

import asyncio
import base64
from contextlib import asynccontextmanager

import pytest

from service.core.audio import FRAME_SAMPLES, EncodedFrame
from service.room import link, peers
from service.room.incoming import RemoteTrack
from service.room.tracks import PacketQueue
from service.sandbox import booth as module
from service.sandbox import pipe
from service.sandbox.booth import NOT_UNDERSTOOD, REPEATED, Booth
from service.sandbox.orders import Heard, Interrupt, Pause, Run, Said, Sound, Speak, Spoken, Stop
from service.sandbox.phrases import PhraseBook
from service.sandbox.room_server import EmbeddedRoom
from service.sandbox.transcriber import Partial, Utterance
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes.rooms import Ear, embedded

BOOK = PhraseBook([{"en": "Good morning.", "es": "Buenos días.", "fr": "Bonjour."}])


class Ears:
    """A transcriber that brings to light what it is told to, with the next sound or at the end."""

    def __init__(self) -> None:
        self.fed, self.over_socket = 0, False
        self.heard = bytearray()
        self.next: list[object] = []
        self.under_way: list[object] = []

    def feed(self, pcm: bytes) -> list[object]:
        assert len(pcm) == 2 * FRAME_SAMPLES or self.over_socket
        self.fed += 1
        self.heard += pcm
        events, self.next = self.next, []
        return events

    def finish(self) -> list[object]:
        events, self.under_way = self.under_way, []
        return events


class Tongues:
    """Voices that are unable to speak German."""

    seconds = 0.2

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def speak(self, text: str, language: str) -> bytes | None:
        self.said.append((language, text))
        return None if language == "de" else b"\x00\x20" * round(self.seconds * 48_000)

    def repeat(self, audio: bytes, language: str) -> bytes:
        self.said.append((language, f"repeat {audio.decode()}"))
        return b"\x00\x10" * round(self.seconds * 48_000)


class Desk:
    """A booth in room r, the box beside it."""

    def __init__(self) -> None:
        self.ears, self.tongues = Ears(), Tongues()
        self.events: list[pipe.Event] = []
        self.heard: dict[str, Ear] = {}
        self.booth = Booth(
            publisher="box", transcriber=self.ears, book=BOOK, voices=self.tongues, say=self.events.append
        )
        self.room: link.RoomLink
        self.microphone = PacketQueue()

    def sink(self, track: RemoteTrack) -> Ear:
        return self.heard.setdefault(track.name, Ear())

    async def until(self, good) -> None:
        async with asyncio.timeout(10):
            while not good():
                await asyncio.sleep(0.01)

    async def run(self, *targets: str, source: str = "en", **queues: object) -> None:
        self.booth.order(Run(source, targets, {"translation_queue_configs": queues}))
        await self.until(lambda: self.booth._run is not None and self.booth._run.targets == targets)
        await self.until(lambda: all(f"translation_{target}" in self.heard for target in targets))

    def utter(self, text: str, understood: bool = True) -> None:
        self.ears.next.append(Utterance(text, understood, 0.0, 1.0, b"sound"))

    def told(self, kind: type) -> list[pipe.Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def level_ms(self, language: str) -> int:
        return self.booth._outlets.levels_ms.get(language, 0)


@asynccontextmanager
async def working():
    desk = Desk()
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=desk.sink) as desk.room:
        await desk.room.publish("microphone", desk.microphone)
        await desk.room.wait_connected()
        desk.rooms = rooms
        desk.work = asyncio.ensure_future(desk.booth.work(rooms.url, "r/palabra_translator_1"))
        await desk.until(lambda: desk.ears.fed or desk.work.done())
        try:
            yield desk
        finally:
            desk.booth.order(pipe.Leave())
            await asyncio.wait_for(desk.work, 10)


async def test_what_is_understood_is_captioned_and_spoken_in_each_language():
    async with working() as desk:
        await desk.run("es", "fr")
        desk.ears.next.append(Partial("good"))
        desk.utter("good morning")
        await desk.until(lambda: len(desk.told(Said)) == 2)
        one, two, *said = desk.told(Heard) + desk.told(Said)
        assert (one.text, one.final, two.text, two.final) == ("good", False, "good morning", True)
        assert [(each.language, each.text) for each in said] == [("es", "Buenos días."), ("fr", "Bonjour.")]
        assert len({each.id for each in (one, two, *said)}) == 1, "one id for all of it"
        assert desk.tongues.said == [("es", "Buenos días."), ("fr", "Bonjour.")]
        decoder = OpusDecoder()
        await desk.until(lambda: len(desk.heard["translation_es"].frames) > 20)
        assert any(any(decoder.decode(frame.payload)) for frame in desk.heard["translation_es"].frames[-10:])
        desk.utter("good morning")
        await desk.until(lambda: len(desk.told(Said)) == 4)
        assert desk.told(Said)[3].id != one.id


@pytest.mark.parametrize(
    ("text", "understood", "source", "heard"),
    [
        ("", False, "en", NOT_UNDERSTOOD),
        ("good evening", True, "en", "good evening"),  # past the gate, and still no phrase
        ("good morning", True, "de", NOT_UNDERSTOOD),  # somebody said that German is spoken
    ],
)
async def test_what_is_not_understood_is_repeated_and_the_caption_says_so(text, understood, source, heard):
    async with working() as desk:
        await desk.run("es", source=source)
        desk.ears.next.append(Partial("good"))
        desk.utter(text, understood)
        await desk.until(lambda: desk.told(Said))
        final = desk.told(Heard)[-1]
        assert (final.text, final.language) == (heard, source)
        assert (desk.told(Said)[0].text, desk.tongues.said) == (REPEATED, [("es", "repeat sound")])
        assert len(desk.told(Heard)) == (2 if source == "en" else 1), "no partial text in a language it does not know"


async def test_what_cannot_be_spoken_is_captioned_and_repeated():
    async with working() as desk:
        await desk.run("de")
        desk.booth.order(Speak("7", "Guten Morgen", "de", False))
        await desk.until(lambda: desk.told(Said))
        assert desk.told(Said) == [Said("7", "de", "Guten Morgen")]
        assert desk.tongues.said == [("de", "Guten Morgen"), ("de", "repeat ")]


async def test_texts_are_spoken_as_they_are_or_translated_to_all():
    async with working() as desk:
        await desk.run("es", "fr")
        desk.booth.order(Speak("7", "Hola", "es", False))
        desk.booth.order(Speak("8", "Good morning", "en", True))
        await desk.until(lambda: len(desk.told(Said)) == 3)
        assert desk.told(Said) == [
            Said("7", "es", "Hola"),
            Said("8", "es", "Buenos días."),
            Said("8", "fr", "Bonjour."),
        ]


async def test_a_change_of_language_uses_the_m_line_again():
    async with working() as desk:
        for targets in (("es",), ("fr",), ("it",), ("fr", "es")):
            await desk.run(*targets)
            assert set(desk.booth._outlets.languages) == set(targets)
            for target in targets:
                ear = desk.heard[f"translation_{target}"]
                before = len(ear.frames)
                await desk.until(lambda ear=ear, before=before: len(ear.frames) > before)
        assert len(desk.room._subscriber.pc.getTransceivers()) == 2


async def test_only_the_publisher_is_listened_to(monkeypatch):
    monkeypatch.setattr(module, "REPORT_FRAMES", 4)
    async with working() as desk, link.join(desk.rooms.url, "r/guest", sink_for=lambda track: None) as guest:
        source = PacketQueue()
        await guest.publish("microphone", source)
        await guest.wait_connected()
        encoder = OpusEncoder()
        for queue in (source, desk.microphone):
            desk.events.clear()
            for number in range(10):
                queue.push(EncodedFrame(number, number * 960, encoder.encode(bytes(1920))))
                await asyncio.sleep(0.02)
            assert any(event.input_heard for event in desk.told(pipe.Listening)) == (queue is desk.microphone)


async def test_a_pause_keeps_the_track_and_interprets_nothing():
    async with working() as desk:
        await desk.run("es")
        desk.booth.order(Pause())
        await desk.until(lambda: desk.booth._run is None)
        desk.utter("good morning")
        fed = desk.ears.fed
        await desk.until(lambda: desk.ears.fed > fed + 5)
        assert desk.told(Heard) == [] and desk.booth._outlets.languages == ("es",)


def sound(milliseconds: int) -> Sound:
    return Sound(base64.b64encode(b"\x01\x00" * (24 * milliseconds)).decode(), 24_000, 1)


async def over_socket(desk: Desk, *targets: str) -> None:
    desk.ears.over_socket = True
    desk.booth.order(Run("en", targets, {}, over_socket=True))
    await desk.until(lambda: desk.booth._outlets.languages == targets and desk.booth._run is not None)
    desk.ears.heard.clear()


async def test_over_a_socket_only_what_comes_is_heard_and_speech_goes_out_in_chunks():
    async with working() as desk:
        await over_socket(desk, "es", "fr")
        fed = desk.ears.fed
        await desk.until(lambda: desk.ears.fed > fed + 10)
        assert not desk.ears.heard, "not even silence"
        desk.booth.order(sound(320))
        await desk.until(lambda: len(desk.ears.heard) > 0.31 * 96_000)
        desk.utter("good morning")
        await desk.until(lambda: len([piece for piece in desk.told(Spoken) if piece.last]) == 2)
        (heard,) = desk.told(Heard)
        for language in ("es", "fr"):
            pieces = [one for one in desk.told(Spoken) if one.language == language]
            assert {piece.id for piece in pieces} == {heard.id}
            spoken = b"".join(base64.b64decode(piece.audio) for piece in pieces)
            assert abs(len(spoken) / 48_000 - desk.tongues.seconds) < 0.01 and any(spoken)
            (said,) = (one for one in desk.told(Said) if one.language == language)
            assert desk.events.index(said) < desk.events.index(pieces[0]), "the text is there first"
        assert desk.heard == {}, "no track in the room"


async def test_a_stop_over_a_socket_hears_the_rest_and_speaks_it():
    async with working() as desk:
        await over_socket(desk, "es")
        desk.booth.order(sound(8000))
        desk.booth.order(Stop(force=False))
        desk.ears.under_way.append(Utterance("good morning", True, 0.0, 1.0, b"sound"))
        await desk.until(lambda: desk.told(pipe.Finished))
        assert len(desk.ears.heard) > 7.9 * 96_000
        assert desk.told(Spoken)[-1].last and desk.events[-1] == pipe.Finished()


async def test_the_sound_may_move_from_the_socket_to_the_room_and_back():
    async with working() as desk:
        await over_socket(desk, "es")
        await desk.run("es")
        desk.ears.over_socket = False
        desk.booth.order(sound(320))
        desk.utter("good morning")
        await desk.until(lambda: len(desk.heard["translation_es"].frames) > 20 and desk.told(Said))
        assert desk.told(Spoken) == [] and desk.booth._outlets.languages == ("es",)
        await over_socket(desk, "es")
        await desk.until(lambda: [len(one.tracks) for one in desk.room.participants if one.identity != "box"] == [0])


async def test_tracks_may_be_taken_out_and_brought_back():
    async with working() as desk:
        await desk.run("es", "fr")
        desk.booth.order(pipe.Unpublish())
        await desk.until(lambda: [len(one.tracks) for one in desk.room.participants if one.identity != "box"] == [0])
        await desk.run("es")
        before = len(desk.heard["translation_es"].frames)
        await desk.until(lambda: len(desk.heard["translation_es"].frames) > before)


async def test_a_stop_lets_what_is_under_way_be_spoken_and_says_so():
    async with working() as desk:
        await desk.run("es")
        desk.ears.under_way.append(Utterance("good morning", True, 0.0, 1.0, b""))
        desk.booth.order(Stop(force=False))
        await desk.until(lambda: desk.told(Said))
        desk.utter("good morning")  # too late
        assert desk.level_ms("es") > 0 and not desk.told(pipe.Finished)
        await desk.until(lambda: desk.told(pipe.Finished))
        assert desk.level_ms("es") == 0 and len(desk.told(Said)) == 1
        await desk.run("es")
        desk.utter("good morning")
        await desk.until(lambda: len(desk.told(Said)) == 2)


async def test_a_forced_stop_and_an_interruption_drop_what_waits():
    async with working() as desk:
        await desk.run("es", "fr")
        for order, left in (
            (Interrupt(("fr", "xx")), {"es"}),
            (Interrupt(("global",)), set()),
            (Stop(force=True), set()),
        ):
            await desk.run("es", "fr")
            before = len(desk.told(Said))
            desk.utter("good morning")
            await desk.until(lambda before=before: len(desk.told(Said)) == before + 2)
            desk.booth.order(order)
            await desk.until(lambda left=left: {each for each in ("es", "fr") if desk.level_ms(each)} == left)
        assert desk.told(pipe.Finished) == []


async def test_the_queue_has_the_level_of_the_settings():
    async with working() as desk:
        desk.tongues.seconds = 1.0
        await desk.run("es", "fr", es={"max_queue_level_ms": 400}, **{"global": {"max_queue_level_ms": 700}})
        desk.utter("good morning")
        await desk.until(lambda: len(desk.told(Said)) == 2)
        assert desk.level_ms("es") <= 400 < desk.level_ms("fr") <= 700


async def test_data_passes_with_its_sender_and_goes_to_one_or_to_all(monkeypatch):
    labels, relay = [], EmbeddedRoom.relay
    monkeypatch.setattr(EmbeddedRoom, "relay", lambda *data: labels.append(data[2]) or relay(*data))
    async with working() as desk, link.join(desk.rooms.url, "r/guest", sink_for=lambda track: None) as guest:
        await guest.wait_connected()
        await desk.room.send(b"set_task")
        await desk.until(lambda: desk.told(pipe.Data))
        await guest.send(b"\xff")
        await desk.until(lambda: len(desk.told(pipe.Data)) == 2)
        assert desk.told(pipe.Data) == [pipe.Data("set_task", "box"), pipe.Data("\ufffd", "guest")]
        for payload, to in (("x" * 70_000, None), ("you", "box"), ("all", None)):  # the first fits no packet
            desk.booth.order(pipe.Send(payload, to))
        at_box, at_guest = desk.room.messages(), guest.messages()
        assert [await anext(at_box) for _ in range(3)] == [b"\xff", b"you", b"all"]
        assert [await anext(at_guest) for _ in range(2)] == [b"set_task", b"all"]
        desk.booth.order(pipe.Send("lossy", reliable=False))
        assert (await anext(at_box), await anext(at_guest)) == (b"lossy", b"lossy")
        assert labels == [peers.RELIABLE] * 4 + [peers.LOSSY]


async def test_a_room_that_ends_is_told():
    async with working() as desk:
        await desk.rooms.server.end_room("r")
        await desk.until(desk.work.done)
        (gone,) = desk.told(pipe.Gone)
        assert "ROOM_DELETED" in gone.why or "closed" in gone.why


async def test_orders_that_nobody_gets_to_do_not_pile_up():
    desk = Desk()
    for _ in range(2 * module.ORDERS_WAITING):
        desk.booth.order(pipe.Send("x"))
    desk.booth.order(Pause())
    assert desk.booth._orders.qsize() == module.ORDERS_WAITING + 1, "answers are dropped, commands are not"


async def test_utterances_that_nobody_gets_to_do_not_pile_up():
    desk = Desk()
    desk.booth._run = Run("en", ("es",), {})
    for number in range(20):
        desk.booth._on_events([Utterance(f"{number}", True, 0.0, 1.0, b"")])
    waiting = [desk.booth._utterances.get_nowait()[1].text for _ in range(desk.booth._utterances.qsize())]
    assert waiting == [f"{number}" for number in range(12, 20)], "the latest"


async def test_so_many_voices_and_no_more(monkeypatch, caplog):
    monkeypatch.setattr(module, "MAX_VOICES", 2)
    async with working() as desk:
        desk.booth.order(Run("en", ("es", "es", "fr", "de"), {}))
        await desk.until(lambda: desk.booth._run is not None)
        assert desk.booth._run.targets == ("es", "fr")
    assert "only 2 of 3 languages" in caplog.text
