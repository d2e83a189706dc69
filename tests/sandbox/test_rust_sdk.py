"""A stock LiveKit client, the Rust SDK, against a real sandbox process: conformance rows 34-37."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from livekit import rtc

from service.core import task_settings
from service.core.languages import LanguagePair
from service.core.messages import TaskStatus, Transcription, decode
from service.sandbox.server import load_keys
from service.sandbox.tokens import Grant, SigningKey, mint
from tests.fakes.sandbox import Relay, SandboxProcess, sandbox, until
from tests.fakes.speech import needs_espeak, sentences, silence

pytestmark = pytest.mark.slow

ES, FR = (LanguagePair("", "en", (target,)) for target in ("es", "fr"))
LOUD = 300  # of 32767, RMS of 10 ms
RATE_HZ = 48_000


class Client:
    """One participant: what it hears by track name, the data it gets, its events in order."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.heard: dict[str, list[np.ndarray]] = {}
        self.data: list[tuple[str, bytes]] = []  # sender, payload
        self.events: list[str] = []
        self._listening: list[asyncio.Task[None]] = []
        self._source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        self.room.on("track_subscribed", self._on_track)
        self.room.on("data_received", self._on_data)
        self.room.on("disconnected", lambda reason: self.events.append(f"disconnected {_reason(reason)}"))
        self.room.on("participant_connected", lambda one: self.events.append(f"+{one.identity}"))
        self.room.on("participant_disconnected", lambda one: self.events.append(f"-{one.identity}"))
        self.room.on("track_muted", lambda one, _: self.events.append(f"muted {one.identity}"))
        self.room.on("reconnecting", lambda: self.events.append("reconnecting"))
        self.room.on("reconnected", lambda: self.events.append("reconnected"))

    def _on_track(self, track: rtc.Track, publication: rtc.TrackPublication, _: rtc.RemoteParticipant) -> None:
        heard = self.heard[publication.name] = []  # an older track of this name is of no interest any more
        self._listening.append(asyncio.ensure_future(self._listen(track, heard)))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        self.data.append((packet.participant.identity if packet.participant else "", packet.data))

    async def _listen(self, track: rtc.Track, heard: list[np.ndarray]) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
        async for event in stream:
            heard.append(np.frombuffer(event.frame.data, np.int16).astype(float))
        await stream.aclose()

    async def publish(self) -> rtc.LocalTrackPublication:
        self.microphone = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
        return await self.room.local_participant.publish_track(self.microphone, options)

    async def speak(self, pcm: bytes) -> None:
        """Returns when all of it is on its way, a tenth of a second at most left to be sent."""
        for at in range(0, len(pcm) - 959, 960):
            await self._source.capture_frame(rtc.AudioFrame(pcm[at : at + 960], RATE_HZ, 1, 480))

    async def send(self, message: bytes, **options: object) -> None:
        await self.room.local_participant.publish_data(message, **options)

    def messages(self) -> list[object]:
        return [decode(payload) for _, payload in self.data]

    def loud(self, name: str) -> int:
        """How many pieces of 10 ms of this track were no silence."""
        return sum(np.sqrt(np.mean(piece**2)) > LOUD for piece in self.heard.get(name, []))

    async def close(self) -> None:
        await self.room.disconnect()
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await self._source.aclose()


def _reason(reason: int) -> str:
    return rtc.DisconnectReason.Name(reason)


@asynccontextmanager
async def joined(url: str, token: str) -> AsyncIterator[Client]:
    client = Client()
    try:
        await asyncio.wait_for(client.room.connect(url, token), 10)
        yield client
    finally:
        await client.close()


async def soon(good, what: str, limit_s: float = 10.0) -> None:
    async def look() -> bool:
        return good()

    await until(look, bool, what, limit_s)


def said(client: Client, kind: str) -> list[str]:
    return [
        message.text for message in client.messages() if isinstance(message, Transcription) and message.kind == kind
    ]


@needs_espeak
async def test_a_phrase_goes_round_and_a_subscriber_only_listens():
    async with sandbox() as server:
        session = await server.create(subscriber_count=2)
        url, (listener_token, _) = session["webrtc_url"], session["subscriber"]
        async with joined(url, session["publisher"]) as speaker, joined(url, listener_token) as listener:
            publishing = asyncio.ensure_future(listener.publish())
            translator = f"palabra_translator_{session['webrtc_room_name']}"
            await soon(lambda: translator in speaker.room.remote_participants, "the translator")
            await speaker.publish()
            await speaker.send(task_settings.set_task(ES))
            await soon(lambda: TaskStatus("set_task", "started", "running") in speaker.messages(), "task_status")
            await soon(lambda: {"microphone", "translation_es"} <= listener.heard.keys(), "both tracks")
            assert "translation_es" in speaker.heard

            phrase = asyncio.ensure_future(speaker.speak(silence(0.3) + sentences()[0] + silence(2.0)))
            await soon(lambda: said(speaker, "validated_transcription"), "what was recognised")
            assert listener.loud("microphone") > 50
            assert listener.loud("translation_es") == speaker.loud("translation_es") == 0, "nothing is said before"
            await phrase
            for client in (speaker, listener):
                await soon(lambda one=client: one.loud("translation_es") > 80, "the translation")
                assert said(client, "validated_transcription") == ["welcome to the conference"]
                assert said(client, "translated_transcription") == ["Les damos la bienvenida a la conferencia."]

            await refused_commands(server, session, listener, listener_token)
            await speaker.send(task_settings.get_task())
            await soon(lambda: any("current_task" in str(data) for _, data in speaker.data), "the task")
            # This SDK looks for its request's id in a refusal, finds none, and gives up after 10 s.
            with pytest.raises(rtc.participant.PublishTrackError):
                await publishing
            assert speaker.heard.keys() == {"translation_es"}, "neither a track of the listener's nor its language"
        assert [event for event in await server.happened() if event[0] == "set_task"] == [
            ("set_task", speaker.room.local_participant.identity),
            ("set_task", listener.room.local_participant.identity),
        ]


async def refused_commands(server: SandboxProcess, session, listener: Client, token: str) -> None:
    """Neither over the room nor over the WebSocket, which both are open to it for listening."""
    await listener.send(task_settings.set_task(FR))
    async with server.manage(session, token) as socket:
        await socket.send_bytes(task_settings.set_task(FR))
        while "error" not in (message := await socket.receive_json(timeout=5)).get("message_type", ""):
            pass
        assert message["data"]["code"] == "PERMISSION_DENIED"


@pytest.fixture
def keys_file(tmp_path):
    return tmp_path / "credentials.json"


def token_for(keys_file, session, identity: str) -> str:
    keys = load_keys(keys_file)
    grant = Grant(identity, session["webrtc_room_name"])
    return mint(grant, SigningKey(keys.signing_key, keys.signing_secret), now_s=1e9, lifetime_s=2e9)


def tone(frequency_hz: float, seconds: float) -> bytes:
    moments = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
    return (8000 * np.sin(2 * np.pi * frequency_hz * moments)).astype("<i2").tobytes()


def pitch_hz(pieces: list[np.ndarray]) -> float:
    """Of the last half second."""
    samples = np.concatenate(pieces[-50:])
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples))


async def hears(client: Client, frequency_hz: float) -> None:
    def right() -> bool:
        pieces = client.heard.get("microphone", [])
        return len(pieces) > 50 and abs(pitch_hz(pieces) - frequency_hz) < 5

    await soon(right, f"{frequency_hz} Hz")


async def test_two_of_them_hear_and_write_to_each_other_in_both_join_orders(keys_file):
    async with sandbox("--credentials", str(keys_file)) as server:
        session = await server.create()
        tokens = [session["publisher"], token_for(keys_file, session, "guest")]
        async with joined(session["webrtc_url"], tokens[0]) as first:
            await first.publish()  # before the other is there
            sounding = asyncio.ensure_future(first.speak(tone(440, 5)))
            async with joined(session["webrtc_url"], tokens[1]) as second:
                await second.publish()  # after
                answering = asyncio.ensure_future(second.speak(tone(660, 5)))
                await asyncio.gather(hears(second, 440), hears(first, 660))
                await first.send(b"reliable", topic="t")
                await second.send(b"x" * 14_000, reliable=True)
                await second.send(b"lossy", reliable=False)
                host, guest = (one.room.local_participant.identity for one in (first, second))
                await soon(lambda: (host, b"reliable") in second.data, "data one way")
                await soon(lambda: (guest, b"x" * 14_000) in first.data, "data the other way")
                await soon(lambda: (guest, b"lossy") in first.data, "lossy data")
                assert all(sender != host for sender, _ in first.data), "nothing comes back to its sender"
                first.microphone.mute()
                await soon(lambda: f"muted {host}" in second.events, "the mute")
                await asyncio.gather(sounding, answering)
            await soon(lambda: "-guest" in first.events, "the news that the other has left")
            assert "+guest" in first.events
        await server.until_happened("left", host)


async def test_the_second_holder_of_an_identity_puts_the_first_out_and_is_heard(keys_file):
    async with sandbox("--credentials", str(keys_file)) as server:
        session = await server.create()
        guest = token_for(keys_file, session, "guest")
        url = session["webrtc_url"]
        async with joined(url, guest) as listener, joined(url, session["publisher"]) as first:
            await first.publish()
            async with joined(url, session["publisher"]) as second:
                await soon(lambda: "disconnected DUPLICATE_IDENTITY" in first.events, "the end of the first")
                await second.publish()
                await asyncio.gather(second.speak(tone(440, 2)), hears(listener, 440))
                assert not any("disconnected" in event for event in second.events)


async def test_signalling_that_breaks_is_followed_by_a_full_reconnect(keys_file):
    """`reconnect=1` is answered with RECONNECT; the SDK mends itself."""
    async with sandbox("--credentials", str(keys_file)) as server, Relay(server.url) as relay:
        session = await server.create()
        url = session["webrtc_url"].replace(server.url, relay.url)
        guest = token_for(keys_file, session, "guest")
        async with joined(session["webrtc_url"], guest) as listener, joined(url, session["publisher"]) as speaker:
            await speaker.publish()
            await asyncio.gather(speaker.speak(tone(440, 1.5)), hears(listener, 440))
            relay.break_all()
            await soon(lambda: speaker.events[-1:] == ["reconnected"], "the reconnection", 15)
            await asyncio.gather(speaker.speak(tone(660, 2)), hears(listener, 660))
            await speaker.send(json.dumps("still here").encode())
            await soon(lambda: listener.data[-1:] and listener.data[-1][1] == b'"still here"', "data afterwards")
