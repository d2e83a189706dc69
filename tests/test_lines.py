"""Line-in and line-out by the settings, on files."""

import asyncio
import json
import threading
import wave

import numpy as np
import pytest

from service import settings
from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.lines import open_line_in, open_line_out
from service.sound.opus import OpusEncoder


@pytest.fixture
def loaded(tmp_path):
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.full(RATE_HZ // 4, 1000, "<i2").tobytes())

    def load(**keys):
        environ = {
            "BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{tmp_path / 'in.wav'}",
            "BOOTHD_AUDIO__OUTPUT__DEVICE": f"wav:{tmp_path / 'out.wav'}",
            "BOOTHD_PAIR": json.dumps([{"name": "ES", "source": "en", "target": "es"}]),
        }
        return settings.load(None, environ=environ | keys)

    return load


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_line_in_is_the_device_with_the_gain_of_the_settings(loaded):
    go, ended = threading.Event(), threading.Event()
    async with open_line_in(loaded(BOOTHD_AUDIO__INPUT__GAIN_DB="6.0"), go=go, ended=ended) as line_in:
        await until(lambda: line_in.captured)
        assert line_in.level.peak_dbfs == -120
        go.set()
        await until(lambda: line_in.level.peak_dbfs > -120)
        assert line_in.level.peak_dbfs == pytest.approx(20 * np.log10(1000 / 32768) + 6, abs=0.1)
        await until(ended.is_set)
    assert "line-in" not in {thread.name for thread in threading.enumerate()}


async def test_each_device_is_one_card_with_the_channels_that_its_routes_need(loaded, tmp_path):
    pair = {"name": "all", "source": "en", "targets": ["es", "fr", "de"]}
    routes = [
        {"target": "es", "channel": "left"},
        {"target": "fr", "channel": "right", "gain_db": -3},
        {"target": "de", "device": f"wav:{tmp_path / 'lobby.wav'}"},
    ]
    keys = {"BOOTHD_PAIR": json.dumps([pair]), "BOOTHD_AUDIO__OUTPUT__ROUTE": json.dumps(routes)}
    async with open_line_out(loaded(**keys)) as line_out:
        assert list(line_out.cards) == [f"wav:{tmp_path / 'out.wav'}", f"wav:{tmp_path / 'lobby.wav'}"]
        await until(lambda: all(len(card.playback.levels) for card in line_out.cards.values()))
        names = {thread.name for thread in threading.enumerate()}
        assert {f"line-out {device}" for device in line_out.cards} <= names
    for name, channels in (("out.wav", 2), ("lobby.wav", 1)):
        with wave.open(str(tmp_path / name)) as file:
            assert file.getnchannels() == channels


async def test_line_out_is_the_device(loaded, tmp_path):
    async with open_line_out(loaded()) as line_out:
        began_s = line_out.last_period_s
        await until(lambda: line_out.last_period_s > began_s)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnframes() > 0) == (RATE_HZ, True)
    assert "line-out" not in {thread.name for thread in threading.enumerate()}


async def test_what_is_known_of_a_cards_clock_is_used_and_what_was_learnt_is_told(loaded, tmp_path):
    device = f"wav:{tmp_path / 'out.wav'}"
    clocks = {device: -42.0, "alsa:card=Gone": 17.0}
    async with open_line_out(loaded(), clocks=clocks) as line_out:
        tracks = line_out.cards[device].tracks
        track = tracks.sink("es")
        assert track.playout.drift_ppm == pytest.approx(-42.0)
        for _ in range(600):
            track.playout._steering.drift.steer(0.0005, 1.0)
        assert tracks.sink("fr").playout.drift_ppm == track.playout.drift_ppm > -20
        learnt_ppm = track.playout.drift_ppm
    assert clocks == {device: round(learnt_ppm, 1), "alsa:card=Gone": 17.0}
    nothing: dict[str, float] = {}
    async with open_line_out(loaded(), clocks=nothing) as line_out:
        line_out.sink("es")
    assert nothing == {}, "a minute's guess is not kept"


async def test_line_out_has_the_channel_the_gain_and_the_ceiling_of_the_settings(loaded, tmp_path):
    keys = {"channel": "right", "gain_db": "20", "max_dbfs": "-20", "spl_at_full_scale": "110.0"}
    environ = {f"BOOTHD_AUDIO__OUTPUT__{key.upper()}": value for key, value in keys.items()}
    encoder, sound = OpusEncoder(), (8000 * np.sin(np.arange(FRAME_SAMPLES) * 2 * np.pi / 96)).astype("<i2").tobytes()
    async with open_line_out(loaded(**environ)) as line_out:
        sink = line_out.sink("es")
        line_out.select(["es"])
        for number in range(15):
            sink.push(EncodedFrame(number, number * FRAME_SAMPLES, encoder.encode(sound)))
            await asyncio.sleep(0.020)
        (limiter, _) = line_out.cards[f"wav:{tmp_path / 'out.wav'}"].playback._mixer.limiters
        assert limiter._lasting.limit == pytest.approx(10 ** (-16 / 10) / 2)  # 94 dB SPL
    with wave.open(str(tmp_path / "out.wav")) as file:
        left, right = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T
    assert not left.any()
    assert 3000 < np.abs(right).max() <= 32767 / 10


@pytest.mark.parametrize(
    ("device", "first"), [("alsa:card=none", True), ("alsa:usb=9-9", True), ("alsa:pcm=none", False), ("wav", False)]
)
async def test_only_the_thread_of_a_card_goes_first(loaded, device, first):
    # Beside a starved sound server one such thread took a whole processor until the kernel stepped in.
    keys = {f"BOOTHD_AUDIO__{way}__DEVICE": device for way in ("INPUT", "OUTPUT") if device != "wav"}
    go, ended = threading.Event(), threading.Event()
    async with open_line_out(loaded(**keys)) as line_out, open_line_in(loaded(**keys), go=go, ended=ended) as line_in:
        (card,) = line_out.cards.values()
        assert (card.playback._thread._priority, line_in._thread._priority) == ((51, 50) if first else (None, None))
