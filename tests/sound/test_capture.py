import asyncio
import math
import threading

import numpy as np
import pytest

from service.core.audio import Level
from service.core.errors import SoundCardLost, SoundCardMissing
from service.dsp.sides import Sides
from service.sound.capture import Capture
from service.sound.pcm import DeviceLost
from tests.fakes.sound import Clock, FakeEncoder, FakeInput, frame_of


class Desk:
    """A capture with devices that open in turn; the last one stays."""

    def __init__(self, *devices: FakeInput | Exception, clock: Clock | None = None, **keys: object) -> None:
        self.clock = clock or Clock()
        self.devices = list(devices)
        self.opening_s = 0.0
        self.go = threading.Event()
        self.encoder = FakeEncoder()
        self.capture = Capture(
            open_pcm=self.open,
            new_encoder=lambda: self.encoder,
            go=self.go,
            clock=self.clock,
            pause=self.clock.sleep,
            **keys,
        )
        self.encoder.encoded.clear()  # the silence for a card that hangs

    def open(self) -> FakeInput:
        self.clock.sleep(self.opening_s)
        device = self.devices[0] if len(self.devices) == 1 else self.devices.pop(0)
        if isinstance(device, Exception):
            raise device
        return device

    async def read(self, frames: int) -> list:
        return [await asyncio.wait_for(self.capture.read(), 5) for _ in range(frames)]

    async def hear(self, frames: int, line_in: FakeInput, *blocks: bytes | None) -> list:
        """The next frames, once these blocks have come; who listens before is not taken for late."""
        reading = asyncio.create_task(self.read(frames))
        await asyncio.sleep(0)
        for block in blocks:
            line_in.blocks.put(block)
        return await reading

    async def __aenter__(self) -> "Desk":
        self.capture.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        stopping = asyncio.create_task(self.capture.stop())
        await asyncio.sleep(0)
        for device in self.devices:
            if isinstance(device, FakeInput):
                device.blocks.put(b"")  # the card's next period, by which the thread sees that it is to stop
        await stopping
        assert not self.capture._thread._thread.is_alive()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_frames_come_out_numbered_and_in_order_whatever_the_periods():
    sound = b"".join(frame_of(value) for value in range(1, 6))
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        frames = await desk.hear(5, line_in, *(sound[at : at + 700] for at in range(0, len(sound), 700)))
    assert [(frame.sequence, frame.timestamp, frame.payload) for frame in frames] == [
        (n, n * 960, str(n + 1).encode()) for n in range(5)
    ]
    assert desk.capture.captured == 5
    assert line_in.closed_by == "line-in"


async def test_after_an_overrun_the_time_jumps_and_the_sequence_does_not():
    clock = Clock()
    line_in = FakeInput(clock=clock)
    async with Desk(line_in, clock=clock) as desk:
        (first,) = await desk.hear(1, line_in, frame_of(1))
        clock.sleep(0.2)
        (second,) = await desk.hear(1, line_in, None, frame_of(2))
    assert second.sequence == first.sequence + 1
    assert second.timestamp - first.timestamp == pytest.approx(960 + 0.2 * 48_000, abs=960)
    assert second.payload == b"2"
    assert desk.capture.xruns == 1


async def test_silence_flows_while_the_device_is_lost_and_sound_again_when_it_is_back():
    clock = Clock()
    broken = FakeInput([frame_of(1), DeviceLost("unplugged")], clock=clock)
    mended = FakeInput([frame_of(2)], clock=clock)
    desk = Desk(broken, DeviceLost("no such device"), mended, clock=clock)
    desk.opening_s = 0.3
    async with desk:
        await until(lambda: any(frame.payload == b"2" for frame in desk.capture._outgoing._queue))
        (frame,) = await desk.hear(1, mended, frame_of(3))
        assert desk.capture.reopens == 1
    encoded = desk.encoder.encoded
    assert encoded == [1] + [0] * (len(encoded) - 3) + [2, 3]
    # 0.5 s and 1 s of waiting, each 20 % more or less
    assert 58 <= len(encoded) - 3 <= 92
    assert frame.sequence == len(encoded) - 1
    assert frame.timestamp / 48_000 == pytest.approx(clock() - 1000.3, abs=0.05)  # opened first at 0.3 s
    assert broken.closed_by == mended.closed_by == "line-in"


async def test_while_lost_it_says_why_the_meter_is_silent_and_the_heart_beats():
    clock = Clock()
    async with Desk(
        FakeInput([frame_of(9000), DeviceLost("alsa:card=X: unplugged")], clock=clock),
        DeviceLost("alsa:card=X: no such device"),
        clock=clock,
    ) as desk:
        await until(lambda: desk.capture.lost == "alsa:card=X: no such device")
        assert isinstance(desk.capture.fault, SoundCardLost)
        assert desk.capture.level == Level()
        before_s = desk.capture.last_period_s
        await until(lambda: desk.capture.last_period_s > before_s + 2.0)
        (frame,) = await desk.read(1)
        assert frame.payload == b"0"


async def test_a_device_that_never_was_there_is_missing():
    async with Desk(DeviceLost("alsa:card=X: no such device")) as desk:
        await until(lambda: desk.capture.fault is not None)
        assert isinstance(desk.capture.fault, SoundCardMissing)


async def test_a_held_thread_shows_by_its_heartbeat_alone():
    clock = Clock()
    line_in = FakeInput(clock=clock)
    async with Desk(line_in, clock=clock) as desk:
        await desk.hear(1, line_in, frame_of(1))
        clock.sleep(10)
        assert clock() - desk.capture.last_period_s >= 10
        assert desk.capture.lost is None


async def test_a_reader_who_comes_late_hears_what_is_said_now():
    clock = Clock()
    line_in = FakeInput(clock=clock)
    async with Desk(line_in, clock=clock) as desk:
        for value in range(1, 101):
            line_in.blocks.put(frame_of(value))
        await until(lambda: desk.capture.captured == 100)
        await asyncio.sleep(0)
        (frame,) = await desk.hear(1, line_in, frame_of(101))
    assert frame.payload == b"101"
    assert desk.capture.dropped == 0


async def test_a_reader_who_is_too_slow_gets_the_newest_five_and_the_rest_is_counted():
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        await desk.hear(1, line_in, frame_of(0))
        for value in range(1, 9):
            line_in.blocks.put(frame_of(value))
        await until(lambda: desk.capture.dropped == 3)
        frames = await desk.read(5)
    assert [frame.payload for frame in frames] == [b"4", b"5", b"6", b"7", b"8"]


async def test_a_cancelled_read_loses_nothing():
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        await desk.hear(1, line_in, frame_of(1))
        reading = asyncio.create_task(desk.capture.read())
        await asyncio.sleep(0)
        reading.cancel()
        line_in.blocks.put(frame_of(2))
        await until(lambda: desk.capture.captured == 2)
        (frame,) = await desk.read(1)
    assert frame.payload == b"2"


@pytest.mark.parametrize(
    ("gain_db", "sample", "peak_dbfs"), [(0.0, 16384, -6.0), (-6.0206, 8191, -12.0), (12.0, 32767, 0.0)]
)
async def test_gain_is_metered_and_clipped(gain_db, sample, peak_dbfs):
    line_in = FakeInput()
    async with Desk(line_in, gain_db=gain_db) as desk:
        (frame,) = await desk.hear(1, line_in, frame_of(16384))
        assert int(frame.payload) == pytest.approx(sample, abs=1)
        assert min(desk.capture.level.peak_dbfs, 0.0) == pytest.approx(peak_dbfs, abs=0.1)


async def test_how_the_loudness_went_is_kept_for_the_feedback_check():
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        await desk.hear(1, line_in, frame_of(16384))
        await until(lambda: desk.capture.envelope.until(desk.clock() + 0.1).max() == pytest.approx(-6.0, abs=0.1))


async def test_the_level_is_new_with_every_period():
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        for sample, expected in [(3277, -20.0), (328, -40.0)]:
            line_in.blocks.put(np.full(480, sample, "<i2").tobytes())
            await until(lambda expected=expected: desk.capture.level.peak_dbfs == expected)
    assert desk.capture.level.rms_dbfs == pytest.approx(-23.0, abs=0.05)
    assert desk.capture.level.peak_hold_dbfs == -20.0


@pytest.mark.parametrize(
    ("gain_db", "sample", "clip"), [(0.0, 32767, True), (-20.0, 32767, True), (0.0, 20000, False), (6.0, 20000, True)]
)
async def test_what_was_too_loud_for_the_card_or_is_made_so_shows(gain_db, sample, clip):
    line_in = FakeInput()
    async with Desk(line_in, gain_db=gain_db) as desk:
        await desk.hear(1, line_in, frame_of(sample))
        assert desk.capture.level.clip == clip


async def test_sides_that_cancel_each_other_show_and_so_does_a_clip_on_one_of_them():
    class Balanced(FakeInput):
        def read(self) -> bytes | None:
            block = super().read()
            side = np.frombuffer(block or b"", "<i2")
            self.raw = np.stack([side, -side], axis=1)
            return bytes(len(block or b""))

    line_in = Balanced()
    async with Desk(line_in, sides=Sides()) as desk:
        for _ in range(20):
            line_in.blocks.put(np.tile(frame_of(32767), 25).tobytes())
        await until(lambda: desk.capture.sides_cancel)
        assert desk.capture.level.clip and desk.capture.level.peak_dbfs == -120.0


async def test_a_bug_in_the_encoder_is_told_and_sound_goes_on(caplog):
    class Encoder(FakeEncoder):
        def encode(self, pcm: bytes) -> bytes:
            payload = super().encode(pcm)
            if payload == b"13":
                raise ZeroDivisionError
            return payload

    first, second = FakeInput(), FakeInput([frame_of(2)])
    desk = Desk(first, second)
    desk.capture._encoder = Encoder()
    async with desk:
        frames = await desk.hear(2, first, frame_of(1), frame_of(13))
    assert [frame.payload for frame in frames] == [b"1", b"2"]
    assert first.closed_by == "line-in"
    assert "ZeroDivisionError" in caplog.text


async def test_a_card_that_hangs_is_replaced_by_silence():
    line_in = FakeInput()
    async with Desk(line_in) as desk:
        (first,) = await desk.hear(1, line_in, frame_of(1000))
        held = await desk.read(3)
        line_in.blocks.put(frame_of(2000))
        await until(lambda: desk.capture.captured == 2)
    assert [frame.payload for frame in held] == [b"0"] * 3 and held[0].timestamp > first.timestamp


async def test_paused_silence_is_sent_and_after_it_what_was_kept_in_its_order():
    line_in = FakeInput()
    async with Desk(line_in) as desk:

        async def speak(*values: int) -> None:
            before = len(desk.encoder.encoded)
            for value in values:
                line_in.blocks.put(frame_of(value))
            await until(lambda: len(desk.encoder.encoded) == before + len(values))

        await speak(1000)
        desk.capture.hold()
        await speak(*range(2000, 2005))
        desk.capture.keep()
        await speak(*range(3000, 3003))
        assert desk.capture.backlog_s == 0.0
        desk.capture.go()
        await speak(*range(4000, 4009))
        assert desk.capture.backlog_s == pytest.approx(0.14)
        desk.capture.clear()
        await speak(5000)
    sent = [value for value in desk.encoder.encoded if value]
    # 2000 fades out, and 2001 in.
    assert sent == [1000, 1999, *range(2002, 2005), *range(3000, 3003), 4000, 4001, 5000]
    assert len(desk.encoder.encoded) == 19


async def test_who_speaks_is_noticed_once_each_time_and_the_last_time_is_known():
    line_in = FakeInput()
    began: list[float] = []
    async with Desk(line_in) as desk:
        desk.capture.on_speech(lambda: began.append(desk.clock.now_s))
        assert desk.capture.spoke_s == -math.inf

        async def hear(frames: int, value: int) -> None:
            before = desk.capture.captured
            for _ in range(frames):
                line_in.blocks.put(frame_of(value))
            await until(lambda: desk.capture.captured == before + frames)
            await asyncio.sleep(0)

        for at_s in (2000.0, 3000.0):
            desk.clock.now_s = at_s
            await hear(50, 5)
            assert desk.capture.spoke_s < at_s
            await hear(10, 9000)
            assert (began[-1], desk.capture.spoke_s) == (at_s, at_s)
            await hear(50, 5)
        assert began == [2000.0, 3000.0]


async def test_go_starts_the_recording():
    async with Desk(FakeInput()) as desk:
        assert not desk.go.is_set()
        desk.capture.go()
        assert desk.go.is_set()


def test_a_loop_that_is_closed_is_no_bug(caplog):
    line_in = FakeInput()

    async def leave() -> Capture:
        desk = Desk(line_in)
        desk.capture.start()
        return desk.capture

    capture = asyncio.run(leave())
    line_in.blocks.put(frame_of(1))
    capture._thread._stop.set()
    line_in.blocks.put(b"")
    capture._thread._thread.join(5)
    assert caplog.text == ""


async def test_every_channel_of_the_card_has_a_level_as_long_as_it_is_there():
    class Stereo(FakeInput):
        def read(self):
            block = super().read()
            self.raw = np.stack([self.raw[:, 0], np.zeros(len(self.raw))], axis=1).astype("<i2")
            return block

    line_in = Stereo()
    async with Desk(line_in, gain_db=-20.0) as desk:
        await desk.hear(1, line_in, frame_of(16384))
        assert [level.peak_dbfs for level in desk.capture.channel_levels] == [-6.0, -120.0]
        assert desk.capture.level.peak_dbfs == -26.0
        line_in.blocks.put(DeviceLost("gone"))
        await until(lambda: desk.capture.channel_levels == ())
