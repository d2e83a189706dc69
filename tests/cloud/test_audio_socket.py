"""A session over its WebSocket: in memory and in virtual time, and a few over a real one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.cloud.audio_socket import CHUNK_FRAMES, WINDOW_CHUNKS, AudioLink, AudioSockets
from service.core import ports, task_settings
from service.core.audio import EncodedFrame
from service.core.errors import Cause, CloudBusy, CloudUnreachable, LinkLost, Retryable, SessionLost
from service.core.languages import LanguagePair
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes import virtual_time
from tests.fakes.audio_cloud import AudioCloud, Speaker, session

RATE_HZ = 24_000
CHUNK_S = CHUNK_FRAMES * 0.02
SPANISH = task_settings.set_task(LanguagePair(name="Spanish", source="en", targets=("es",)))
BOTH = task_settings.set_task(LanguagePair(name="Both", source="en", targets=("es", "fr")))


class Decoder:
    """A packet is the value of its 480 samples, as text."""

    def decode(self, payload: bytes) -> bytes:
        return np.full(480, int(payload) / 32767, "<f4").tobytes()

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        raise AssertionError("nothing is lost between line-in and here")

    conceal = recover


class Encoder:
    def encode(self, pcm: bytes) -> bytes:
        return pcm


class Ears:
    """sink_for that keeps what each language heard, with its time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: list[tuple[str, float, EncodedFrame]] = []
        self._clock = asyncio.get_running_loop().time

    def __call__(self, language: str) -> ports.EncodedSink:
        self.asked.append(language)
        ears = self

        class Ear:
            def push(self, frame: EncodedFrame) -> None:
                ears.heard.append((language, ears._clock(), frame))

        return Ear()


def over_memory(story: Callable[[AudioCloud, AudioLink, Ears, "asyncio.Task[None]"], Awaitable[None]], **options):
    """Play a story in virtual time, with the link pumping."""

    async def play() -> None:
        cloud, ears = AudioCloud(**options), Ears()
        clock = asyncio.get_running_loop().time
        rooms = AudioSockets(new_decoder=Decoder, new_encoder=Encoder, connect=cloud.connect, clock=clock)
        speaker = Speaker(lambda number: str(number % 30_000 + 1).encode())
        async with rooms.join(session(), speaker, ears) as link:
            async with pumping(link) as pump:
                await story(cloud, link, ears, pump)
            assert rooms.packets_sent == link.packets_sent
        assert rooms.packets_sent == link.packets_sent

    virtual_time.run(play())


@asynccontextmanager
async def pumping(link: AudioLink):
    pump = asyncio.ensure_future(link.pump())
    try:
        yield pump
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


def numbers(cloud: AudioCloud) -> list[int]:
    """The frames of line-in that the cloud heard."""
    return [int(value) - 1 for value in cloud.pcm[::480]]


def test_it_promises_the_rooms_of_the_conductor():
    rooms: ports.Rooms = AudioSockets(new_decoder=Decoder, new_encoder=Encoder)
    assert rooms.join


def test_line_in_is_heard_from_readiness_on_in_whole_chunks_at_their_own_pace():
    async def story(cloud, link, ears, pump):
        await asyncio.sleep(3.0)
        assert cloud.heard == []  # nothing was commanded
        await link.send(SPANISH)
        await asyncio.sleep(10.0)
        heard = numbers(cloud)
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        assert 170 <= heard[0] <= 180  # not one frame of before: 3.0 s and the cloud's 0.5 s
        assert {len(pcm) for _, pcm in cloud.heard} == {RATE_HZ * 320 // 1000 * 2}
        times = [time_s for time_s, _ in cloud.heard]
        assert np.diff(times) == pytest.approx(CHUNK_S)
        assert len(times) == 29 and link.packets_sent == 29 * CHUNK_FRAMES
        assert (cloud.before_ready, cloud.too_fast) == (0, 0)
        assert cloud.settings["input_stream"]["source"]["type"] == "ws"
        assert cloud.settings["pipeline"]["translations"] == [{"target_language": "es"}]

    over_memory(story)


def test_a_link_that_is_given_up_ends_with_the_reason_and_only_the_first_counts():
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        assert not link.hears
        await asyncio.sleep(3.0)
        assert link.hears
        for reason in ("nothing is sent", "nothing is sent still"):
            link.lose(LinkLost(reason, cause=Cause.BOX))
        with pytest.raises(LinkLost, match="^nothing is sent$"):
            await pump

    over_memory(story)


def test_without_a_session_there_is_nothing_to_give_up_or_to_hear():
    rooms = AudioSockets(new_decoder=Decoder, new_encoder=Encoder)
    rooms.lose(LinkLost("nobody is there"))
    assert rooms.hears


def test_a_change_does_not_interrupt_and_a_pause_does():
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        await asyncio.sleep(3.0)
        await link.send(BOTH)
        await asyncio.sleep(3.0)
        await link.send(task_settings.pause_task())
        before = len(cloud.heard)
        assert before >= 16
        await asyncio.sleep(60.0)
        assert len(cloud.heard) == before and not pump.done()
        await link.send(BOTH)
        await asyncio.sleep(3.0)
        heard = numbers(cloud)
        gaps = [b - a for a, b in zip(heard, heard[1:], strict=False) if b - a != 1]
        assert len(gaps) == 1 and gaps[0] > 2900  # the pause is nowhere in what the cloud hears
        at = next(at for at, number in enumerate(heard) if number > 2900)
        assert at % CHUNK_FRAMES == 0  # nor is what was left before it
        assert (cloud.before_ready, cloud.too_fast) == (0, 0)
        assert cloud.said == ["set_task", "set_task", "pause_task", "set_task"]

    over_memory(story)


def test_sound_that_finds_no_way_is_dropped_and_never_a_burst():
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        await asyncio.sleep(5.0)
        assert link.alive and link.loss is None
        cloud.reading.clear()
        await asyncio.sleep(2.0)
        assert not link.alive and link.loss.cause is Cause.NETWORK
        await asyncio.sleep(5.0)
        before = len(cloud.heard)
        cloud.reading.set()
        cloud.sockets[0].arrive()
        assert link.alive and link.loss is None
        assert len(cloud.heard) - before == WINDOW_CHUNKS
        await asyncio.sleep(5.0)
        heard = numbers(cloud)
        steps = [b - a for a, b in zip(heard, heard[1:], strict=False) if b - a != 1]
        assert len(steps) == 1 and 250 <= steps[0] <= 350 and steps[0] % CHUNK_FRAMES == 1
        assert cloud.too_fast == 0 and not pump.done()

    over_memory(story)


def test_each_target_has_its_sink_from_the_command_on_and_its_speech_at_its_pace():
    async def story(cloud, link, ears, pump):
        assert ears.asked == []
        await link.send(BOTH)
        await link.send(BOTH)
        assert ears.asked == ["es", "fr"]
        await asyncio.sleep(1.0)
        began_s = asyncio.get_running_loop().time()
        cloud.say("es", np.full(RATE_HZ, 11, "<i2").tobytes(), last=False)
        cloud.say("fr", np.full(RATE_HZ, 22, "<i2").tobytes())
        cloud.say("de", np.full(RATE_HZ, 33, "<i2").tobytes())
        await asyncio.sleep(3.0)
        for language, value in (("es", 11), ("fr", 22)):
            frames = [(time_s - began_s, frame) for heard, time_s, frame in ears.heard if heard == language]
            samples = np.concatenate([np.frombuffer(frame.payload, "<i2") for _, frame in frames])
            assert list(samples[:RATE_HZ]) == [value] * RATE_HZ and not samples[RATE_HZ:].any()
            assert np.diff([time_s for time_s, _ in frames]) == pytest.approx(0.02)
            assert {b[1].timestamp - a[1].timestamp for a, b in zip(frames, frames[1:], strict=False)} == {960}
            assert frames[0][0] < 0.021
        assert {language for language, _, _ in ears.heard} == {"es", "fr"}

    over_memory(story)


def test_no_more_speech_waits_than_the_settings_allow(caplog):
    async def story(cloud, link, ears, pump):
        pair = LanguagePair(name="Spanish", source="en", targets=("es",), max_queue_level_ms=1000)
        await link.send(task_settings.set_task(pair))
        cloud.say("es", np.repeat(np.arange(1, 16), RATE_HZ // 5).astype("<i2").tobytes())  # 3 s
        await asyncio.sleep(5.0)
        heard = {int(np.frombuffer(frame.payload, "<i2")[0]) for _, _, frame in ears.heard}
        assert heard == {0, *range(11, 16)}

    over_memory(story)
    assert [record.message for record in caplog.records if record.name == "service.cloud.voices"] == [
        "more speech in es waits than may; from now on the oldest is dropped"
    ]


def test_messages_pass_and_sound_and_nonsense_do_not_disturb_them():
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        cloud.out.put_nowait("nonsense")
        cloud.tell("output_audio_data", language="es", data="oops!")
        cloud.tell("output_audio_data", language=3, data="AAAA")
        cloud.say("es", bytes(960))
        cloud.tell("validated_transcription", transcription={"transcription_id": "1", "language": "en", "text": "Hi"})
        messages = link.messages()
        kinds = [json.loads(await anext(messages))["message_type"] for _ in range(2)]
        assert kinds == ["validated_transcription", "task_status"]
        assert [language for language, _, _ in ears.heard[:1]] == ["es"]
        assert not pump.done()

    over_memory(story)


def test_messages_that_nobody_reads_are_bounded():
    async def story(cloud, link, ears, pump):
        for number in range(1000):
            cloud.tell("weather_report", number=number)
        await asyncio.sleep(1.0)
        assert json.loads(await anext(link.messages()))["data"]["number"] == 1000 - 256

    over_memory(story)


def test_the_translator_is_always_there():
    async def story(cloud, link, ears, pump):
        assert link.is_present("palabra_translator") and link.links == 1
        await link.present("palabra_translator")

    over_memory(story)


@pytest.mark.parametrize(
    "code, error, retry_after_s", [(1000, SessionLost, 0.0), (1001, SessionLost, 0.0), (1008, CloudBusy, 60.0)]
)
def test_the_end_of_the_socket_ends_the_pump(code, error, retry_after_s):
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        await asyncio.sleep(2.0)
        cloud.close(code)
        with pytest.raises(error) as caught:
            await pump
        assert caught.value.retry_after_s == retry_after_s

    over_memory(story)


def test_a_cloud_that_heard_nothing_says_so_and_is_not_stayed_away_from():
    async def story(cloud, link, ears, pump):
        await link.send(SPANISH)
        await asyncio.sleep(1.0)
        cloud.reading.clear()
        with pytest.raises(SessionLost, match="heard no sound and gave up: no input audio") as caught:
            await pump
        assert caught.value.retry_after_s == 0.0

    over_memory(story)


def test_a_bug_in_line_in_is_not_hidden():
    async def play() -> None:
        cloud = AudioCloud()
        rooms = AudioSockets(new_decoder=Decoder, new_encoder=Encoder, connect=cloud.connect)

        class Broken:
            async def read(self):
                raise ZeroDivisionError

        async with rooms.join(session(), Broken(), lambda language: None) as link:
            with pytest.raises(ZeroDivisionError):
                await link.pump()

    virtual_time.run(play())


async def test_a_session_without_the_url_is_lost():
    rooms = AudioSockets(new_decoder=Decoder, new_encoder=Encoder)
    with pytest.raises(SessionLost, match="names no URL"):
        async with rooms.join(session(ws_url=None), Speaker(), lambda language: None):
            raise AssertionError


# -- what it sounds like, with real Opus


def sine(hz: float, *, rate_hz: int, seconds: float = 2.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype("<i2")


def level_db(samples: np.ndarray, hz: float, *, rate_hz: int) -> tuple[float, float]:
    """Of the tone over 8000, and of everything else over the tone."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) ** 2
    at = round(hz / rate_hz * len(samples))
    tone = spectrum[at - 20 : at + 21].sum()
    amplitude = np.sqrt(tone * 2 * 2 / (len(samples) * (window**2).sum()))
    return 20 * np.log10(amplitude / 8000), 10 * np.log10((spectrum.sum() - tone) / tone)


@pytest.mark.parametrize("hz", [300, 1000, 3000])
def test_a_tone_passes_the_door_both_ways_at_its_level(hz):
    async def play() -> None:
        cloud, ears = AudioCloud(), Ears()
        encoder, pcm = OpusEncoder(), sine(hz, rate_hz=48_000, seconds=10).tobytes()
        speaker = Speaker(lambda number: encoder.encode(pcm[number * 1920 : number * 1920 + 1920]))
        rooms = AudioSockets(
            new_decoder=lambda: OpusDecoder(rate_hz=RATE_HZ),
            new_encoder=lambda: OpusEncoder(rate_hz=RATE_HZ),
            connect=cloud.connect,
            clock=asyncio.get_running_loop().time,
        )
        async with rooms.join(session(), speaker, ears) as link, pumping(link):
            await link.send(SPANISH)
            await asyncio.sleep(4.0)
            heard = cloud.pcm[RATE_HZ // 2 : RATE_HZ * 2]
            level, rest = level_db(heard, hz, rate_hz=RATE_HZ)
            assert abs(level) < 1.0 and rest < -20.0
            cloud.say("es", sine(hz, rate_hz=RATE_HZ).tobytes())
            await asyncio.sleep(3.0)
        decoder = OpusDecoder()
        heard = np.concatenate([np.frombuffer(decoder.decode(frame.payload), "<f4") for _, _, frame in ears.heard])
        level, rest = level_db(32768 * heard[24_000:72_000], hz, rate_hz=48_000)
        assert abs(level) < 1.0 and rest < -20.0

    virtual_time.run(play())


# -- over a real socket


def real(**options) -> AudioSockets:
    return AudioSockets(new_decoder=Decoder, new_encoder=Encoder, **options)


async def test_over_a_real_socket_sound_goes_both_ways_and_the_last_command_is_heard():
    cloud, ears = AudioCloud(ready_s=0.01), Ears()
    async with cloud.serve() as url, real().join(session(url), Speaker(), ears) as link:
        async with pumping(link):
            await link.send(SPANISH)
            cloud.say("es", bytes(960))
            await until(lambda: cloud.heard and ears.heard and link.packets_sent)
            assert link.alive and link.packets_sent >= CHUNK_FRAMES
        await link.send(task_settings.end_task())
    await cloud.closed.wait()
    assert cloud.said == ["set_task", "end_task"]


async def test_leaving_closes_the_socket_also_when_the_cloud_does_not_read():
    cloud, loop = AudioCloud(ready_s=0.01), asyncio.get_running_loop()
    async with cloud.serve() as url:

        async def box() -> None:
            async with real().join(session(url), Speaker(), lambda language: None) as link:
                await link.send(SPANISH)
                cloud.reading.clear()
                await link.pump()

        task = asyncio.ensure_future(box())
        while cloud.reading.is_set():
            await asyncio.sleep(0.01)
        began_s = loop.time()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert loop.time() - began_s < 5.0  # 0.2 s where nobody else wants the processor
        cloud.reading.set()
        await cloud.closed.wait()


@pytest.mark.slow
async def test_a_real_stall_shows_ends_and_brings_no_burst():
    cloud = AudioCloud(ready_s=0.01)
    async with cloud.serve() as url, real().join(session(url), Speaker(), lambda language: None) as link, pumping(link):
        await link.send(SPANISH)
        await until(lambda: cloud.heard)
        cloud.reading.clear()
        await until(lambda: not link.alive)
        await asyncio.sleep(2.0)
        before = len(cloud.heard)
        cloud.reading.set()
        await until(lambda: link.alive)
        assert len(cloud.heard) - before <= WINDOW_CHUNKS + 1  # and one that the cloud was reading when it stopped
        after = len(cloud.heard)
        await until(lambda: len(cloud.heard) > after)


async def until(seen: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not seen():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("code, error", [(1008, CloudBusy), (1011, SessionLost), (1000, SessionLost)])
async def test_a_real_close_is_named(code, error):
    cloud = AudioCloud()
    async with cloud.serve() as url, real().join(session(url), Speaker(), lambda language: None) as link:
        cloud.close(code)
        with pytest.raises(error):
            await link.pump()
        with pytest.raises(LinkLost):
            await link.send(SPANISH)


async def test_a_refused_socket_is_a_lost_session_or_no_cloud():
    cloud = AudioCloud()
    async with cloud.serve() as url:
        for ws_url, error in ((url + "?token=other", SessionLost), ("ws://127.0.0.1:1/", CloudUnreachable)):
            with pytest.raises(error) as caught:
                async with real().join(session(ws_url), Speaker(), lambda language: None):
                    raise AssertionError
            assert isinstance(caught.value, Retryable)
