import os
import signal
import subprocess
import sys
import threading
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from service.core.errors import FaultCode, SoundCardMissing
from service.sound.pcm import DeviceLost
from service.sound.wav import WavInput, WavOutput
from tests.fakes.sound import SILENT_PERIOD, Clock

NUMBERED = np.arange(1, 4801).astype("<i2")  # 100 ms


def wav_file(path: Path, samples: np.ndarray, *, rate_hz: int = 48_000, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return path


def encoded_file(path: Path, samples: np.ndarray, *, codec: str, fmt: str, rate_hz: int = 48_000) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono" if samples.shape[0] == 1 else "stereo")
        stream.format = fmt
        frame = av.AudioFrame.from_ndarray(samples, format=fmt, layout=stream.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


class Player:
    """A WAV line-in and its clock; `go` unless told otherwise."""

    def __init__(self, path: Path, *, channel: str = "left", go: bool = True) -> None:
        self.clock = Clock()
        self.go, self.finished = threading.Event(), threading.Event()
        if go:
            self.go.set()
        self.line_in = WavInput(
            path, channel=channel, go=self.go, finished=self.finished, clock=self.clock, sleep=self.clock.sleep
        )

    def read(self, periods: int) -> np.ndarray:
        return np.frombuffer(b"".join(self.line_in.read() or b"" for _ in range(periods)), "<i2")


def test_silence_until_go_then_every_sample_by_the_clock_then_silence(tmp_path):
    player = Player(wav_file(tmp_path / "speech.wav", NUMBERED), go=False)
    assert not player.read(30).any()
    player.go.set()
    assert player.read(10).tolist() == NUMBERED.tolist()
    assert player.clock() - 1000.0 == pytest.approx(0.4)
    assert not player.finished.is_set()
    assert not player.read(30).any()
    assert player.finished.is_set()


def test_the_last_period_is_filled_up_with_silence(tmp_path):
    player = Player(wav_file(tmp_path / "speech.wav", NUMBERED[:500]))
    heard = player.read(2)
    assert heard.tolist() == NUMBERED[:500].tolist() + [0] * 460
    assert player.finished.is_set()


def test_a_short_stall_is_made_up_for_and_a_long_one_is_an_overrun_that_loses_nothing(tmp_path):
    player = Player(wav_file(tmp_path / "speech.wav", NUMBERED))
    first = player.read(2)
    player.clock.sleep(0.040)
    hurried = player.read(4)
    assert player.clock() - 1000.0 == pytest.approx(0.060)
    player.clock.sleep(1.0)
    assert player.line_in.read() is None
    rest = player.read(4)
    assert player.clock() - 1000.0 == pytest.approx(1.060 + 0.040)
    assert np.concatenate([first, hurried, rest]).tolist() == NUMBERED.tolist()


STEREO = np.stack([NUMBERED, -NUMBERED], axis=1)


@pytest.mark.parametrize(("channel", "expected"), [("left", NUMBERED), ("right", -NUMBERED), ("sum", 0 * NUMBERED)])
def test_one_channel_of_a_stereo_file(tmp_path, channel, expected):
    player = Player(wav_file(tmp_path / "speech.wav", STEREO), channel=channel)
    assert player.read(10).tolist() == expected.tolist()


def test_the_other_channels_can_be_looked_at(tmp_path):
    player = Player(wav_file(tmp_path / "speech.wav", STEREO), channel="right")
    player.read(1)
    assert player.line_in.raw.tolist() == STEREO[:480].tolist()
    player.clock.sleep(1.0)
    player.read(1)
    assert player.line_in.raw.shape == (0, 2)


def test_a_numbered_channel_of_a_file_with_many(tmp_path):
    path = wav_file(tmp_path / "speech.wav", NUMBERED[:, None] + 100 * np.arange(6).astype("<i2"))
    assert Player(path, channel=5).read(10).tolist() == (NUMBERED + 400).tolist()
    with pytest.raises(SoundCardMissing, match=r"its channels: 6, wanted: channel 7\)$"):
        Player(path, channel=7)


SINE = np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)


def forms(tmp_path: Path) -> dict[str, Path]:
    """One second of 1 kHz at -6 dBFS in every form."""
    half = 0.5 * SINE
    s24 = (half * 8388607).astype("<i4").view("u1").reshape(-1, 4)[:, :3]
    stereo = np.repeat((half * 32767).astype("<i2"), 2).reshape(-1, 2)
    s16, planar = (half * 32767).astype("<i2").reshape(1, -1), half.astype("f4").reshape(1, -1)
    return {
        "44.1 kHz stereo": wav_file(tmp_path / "a.wav", stereo, rate_hz=44_100),
        "8 bit": wav_file(tmp_path / "b.wav", (half * 127 + 128).astype("u1"), rate_hz=44_100, width=1),
        "24 bit": wav_file(tmp_path / "c.wav", s24.reshape(-1), rate_hz=44_100, width=3),
        "float": encoded_file(tmp_path / "d.wav", planar, codec="pcm_f32le", fmt="flt", rate_hz=44_100),
        "FLAC": encoded_file(tmp_path / "e.flac", s16, codec="flac", fmt="s16", rate_hz=44_100),
        "FLAC called WAV": encoded_file(tmp_path / "f.flac", s16, codec="flac", fmt="s16", rate_hz=44_100).rename(
            tmp_path / "f.wav"
        ),
    }


def test_every_form_of_file_is_heard_at_its_pitch_and_level(tmp_path):
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)
    for form, path in forms(tmp_path).items():
        heard = Player(path).read(100) / 32767
        middle = slice(4800, 43_200)
        lag = int(np.argmax([np.dot(heard[4800 + k : 43_200 + k], expected[middle]) for k in range(48)]))
        difference = heard[4800 + lag : 43_200 + lag] - expected[middle]
        assert np.abs(difference).max() < 0.04, form


def test_a_resampled_file_is_heard_to_its_last_sample(tmp_path):
    heard = Player(wav_file(tmp_path / "speech.wav", np.full(44_100, 1000, "<i2"), rate_hz=44_100)).read(110)
    assert np.count_nonzero(heard) == 48_000


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.touch(), "Invalid data"),
        (lambda path: path.write_text("Good morning.\n" * 50), "Invalid data"),
        (lambda path: path.write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00"), "."),
        (lambda path: wav_file(path, NUMBERED[:0]), "holds no sound"),
    ],
    ids=["missing", "directory", "empty", "text", "cut in its header", "without samples"],
)
def test_a_file_that_cannot_be_heard_is_one_clear_error(tmp_path, make, reason):
    path = tmp_path / "speech.wav"
    make(path)
    with pytest.raises(SoundCardMissing) as caught:
        Player(path)
    assert str(caught.value).startswith(f"audio.input.device: {path} ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.code is FaultCode.SOUND_IN


def test_a_damaged_file_is_heard_as_far_as_it_goes_and_that_is_said(tmp_path, caplog):
    noise = np.random.default_rng(1).integers(-9000, 9000, 96_000).astype("<i2").reshape(1, -1)
    path = encoded_file(tmp_path / "speech.flac", noise, codec="flac", fmt="s16")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    player = Player(path)
    assert np.abs(player.read(50)).max() > 8000
    player.read(200)
    assert player.finished.is_set()


def test_hours_of_recording_are_not_held_in_memory(tmp_path):
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", "not compressed"))
        file.writeframes(b"\x01\x00")
    header = bytearray(path.read_bytes()[:44])
    size = 2 * 3600 * 96_000
    header[4:8], header[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    with path.open("wb") as sparse:
        sparse.write(header)
        sparse.truncate(44 + size)
    player = Player(path)
    player.read(300)
    assert len(player.line_in._left) < 100_000


# -- line-out ---------------------------------------------------------------------------------------------------------


def recorder(path: Path) -> tuple[WavOutput, Clock]:
    clock = Clock()
    return WavOutput(path, clock=clock, sleep=clock.sleep), clock


def heard_in(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert file.getparams()[:3] == (1, 2, 48_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_what_is_written_is_in_the_file_and_takes_its_time(tmp_path):
    path = tmp_path / "new" / "folder" / "out.wav"
    line_out, clock = recorder(path)
    for at in range(0, 4800, 480):
        assert line_out.write(NUMBERED[at : at + 480].tobytes())
    assert clock() - 1000.0 == pytest.approx(0.1)
    line_out.close()
    assert heard_in(path).tolist() == NUMBERED.tolist()


def test_a_file_of_several_channels_takes_as_long_as_one_of_them(tmp_path):
    clock = Clock()
    line_out = WavOutput(tmp_path / "out.wav", channels=2, clock=clock, sleep=clock.sleep)
    line_out.write(STEREO[:480].tobytes())
    assert clock() - 1000.0 == pytest.approx(0.010)
    clock.sleep(3.0)
    assert not line_out.write(STEREO[:480].tobytes())
    line_out.close()
    with wave.open(str(tmp_path / "out.wav"), "rb") as file:
        assert file.getnchannels() == 2
        assert file.getnframes() / 48_000 == pytest.approx(clock() - 1000.0, abs=0.011)
        assert file.readframes(480) == STEREO[:480].tobytes()


def test_the_file_can_be_read_from_its_first_moment_and_is_never_behind_by_more_than_a_second(tmp_path):
    path = tmp_path / "out.wav"
    line_out, _ = recorder(path)
    assert len(heard_in(path)) == 0
    for period in range(1, 351):
        line_out.write(SILENT_PERIOD)
        if period % 70 == 0:
            assert period * 480 - 48_000 <= len(heard_in(path)) <= period * 480
    line_out.close()


def test_a_stall_of_the_machine_is_silence_in_the_file_and_an_underrun(tmp_path):
    path = tmp_path / "out.wav"
    line_out, clock = recorder(path)
    one = np.ones(480, "<i2").tobytes()
    line_out.write(one)
    clock.sleep(3.0)
    assert not line_out.write(one)
    assert line_out.write(one)
    line_out.close()
    heard = heard_in(path)
    assert len(heard) / 48_000 == pytest.approx(clock() - 1000.0, abs=0.011)
    assert heard[:480].all() and heard[-480:].all() and not heard[480:-480].any()


@pytest.mark.parametrize("where", ["out.wav", "file/out.wav"])
def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path, where):
    (tmp_path / "out.wav").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SoundCardMissing) as caught:
        WavOutput(tmp_path / where)
    assert str(caught.value).startswith(f"audio.output.device: {tmp_path / where} cannot be written (")
    assert caught.value.code is FaultCode.SOUND_OUT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_lost_device(tmp_path):
    path = tmp_path / "out.wav"
    line_out, _ = recorder(path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, line_out._file.fileno())
    os.close(full)
    with pytest.raises(DeviceLost, match=rf"audio.output.device: {path} cannot be written \(No space left"):
        for _ in range(200):
            line_out.write(SILENT_PERIOD)
    line_out.close()


def test_a_file_as_long_as_wav_allows_is_a_lost_device(tmp_path, monkeypatch):
    monkeypatch.setattr("service.sound.wav.MAX_BYTES", 44 + 2 * 960)
    line_out, _ = recorder(tmp_path / "out.wav")
    line_out.write(SILENT_PERIOD)
    line_out.write(SILENT_PERIOD)
    with pytest.raises(DeviceLost, match="as long as a WAV file can be"):
        line_out.write(SILENT_PERIOD)
    line_out.close()


RECORD = """
import sys
from pathlib import Path
from service.sound.wav import WavOutput
line_out = WavOutput(Path(sys.argv[1]))
while True:
    line_out.write(bytes([1, 0]) * 480)
    print(flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_a_readable_file(tmp_path):
    path = tmp_path / "out.wav"
    with subprocess.Popen([sys.executable, "-c", RECORD, str(path)], stdout=subprocess.PIPE) as process:
        for _ in range(250):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    heard = heard_in(path)
    assert 150 * 480 <= len(heard) <= 260 * 480
    assert heard.all()
