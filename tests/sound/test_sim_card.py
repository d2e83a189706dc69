"""The simulated cards themselves, asked as `service.sound.alsa` asks: what they do is what a card was seen to do."""

import subprocess
import sys
import threading
import time

import alsaaudio
import numpy as np
import pytest

pytestmark = pytest.mark.slow

PERIOD = np.full(480, 1000, "<i2").tobytes()


def opened(direction, name, *, channels=1, periods=4):
    return alsaaudio.PCM(
        direction,
        device=name,
        rate=48_000,
        channels=channels,
        format=alsaaudio.PCM_FORMAT_S16_LE,
        periodsize=480,
        periods=periods,
    )


def playback(name="lineout", **options):
    return opened(alsaaudio.PCM_PLAYBACK, name, **options)


def capture(name="linein", **options):
    return opened(alsaaudio.PCM_CAPTURE, name, **{"periods": 50, **options})


def dropped(pcm):
    pcm.drop()
    pcm.close()


def test_a_full_buffer_starts_it_and_it_takes_and_gives_a_period_in_the_time_of_one(cards):
    made = cards(lineout={"ppm": 2000}, linein={"ppm": -2000})
    line_out, line_in = playback(), capture()
    line_out.write(PERIOD * 4)
    began_s = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert line_in.read()[0] == 480
    for _ in range(99):
        assert line_out.write(PERIOD) == 480
        assert line_in.read()[0] == 480
    took_s = time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - began_s
    assert took_s > 0.99
    dropped(line_out)
    dropped(line_in)
    start, stop = made["lineout"].events
    assert [start.what, stop.what] == ["start", "stop"]
    assert (stop.frame - start.frame) / (stop.at_s - start.at_s) == pytest.approx(48_096, abs=2)
    start, stop = made["linein"].events
    assert (stop.frame - start.frame) / (stop.at_s - start.at_s) == pytest.approx(47_904, abs=2)


def test_a_crystal_wanders_as_its_file_says_and_its_time_never_jumps(cards):
    made = cards(linein={"ppm": 0})
    line_in = capture()
    line_in.read()
    made["linein"].drift(20_000)
    for _ in range(250):
        assert line_in.read()[0] == 480
    dropped(line_in)
    start, stop = made["linein"].events
    ran_s = stop.at_s - start.at_s
    assert ran_s * 48_000 + (ran_s - 1.1) * 960 < stop.frame < ran_s * 48_000 + ran_s * 960


def test_who_writes_too_late_has_an_underrun_and_its_silence_is_in_the_file(cards):
    made = cards(lineout={})
    line_out = playback()
    line_out.write(PERIOD * 4)
    time.sleep(0.3)
    assert line_out.avail() == -32
    assert line_out.write(PERIOD) == -32
    line_out.write(PERIOD * 4)
    for _ in range(10):
        assert line_out.write(PERIOD) == 480
    dropped(line_out)
    assert [event.what for event in made["lineout"].events] == ["start", "xrun", "start", "stop"]
    start, dry, again, stop = made["lineout"].events
    heard = made["lineout"].samples()
    for event in (dry, again, stop):  # one tape for all of it
        assert (event.frame - start.frame) / 48_000 == pytest.approx(event.at_s - start.at_s, abs=0.0001)
    assert dry.frame > 1920
    assert heard[:1920].all() and not heard[1920 : again.frame].any() and heard[again.frame :].all()
    assert len(heard) == stop.frame


def test_who_reads_too_late_has_an_overrun_and_what_was_lost_is_skipped_in_the_file(cards):
    made = cards(linein={})
    made["linein"].file.write_bytes(np.arange(1, 3 * 48_000, dtype="<i4").astype("<i2").tobytes())
    line_in = capture(periods=10)
    first = np.frombuffer(line_in.read()[1], "<i2")
    assert first[[0, -1]].tolist() == [1, 480]
    time.sleep(0.4)
    assert line_in.read() == (-32, b"")
    count, data = line_in.read()
    start, lost, again = made["linein"].events
    assert (lost.what, again.what) == ("xrun", "start")
    assert count == 480
    assert np.frombuffer(data, "<i2")[0] == again.frame + 1
    assert again.frame / 48_000 == pytest.approx(again.at_s - start.at_s, abs=0.0001)
    dropped(line_in)


def test_after_the_end_of_its_file_line_in_is_silent(cards):
    made = cards(linein={})
    made["linein"].file.write_bytes(PERIOD[:200])
    line_in = capture()
    assert line_in.read()[1] == PERIOD[:200] + bytes(760)
    dropped(line_in)


def test_unplugged_it_fails_at_once_for_whoever_has_it_and_for_whoever_opens_it(cards):
    made = cards(lineout={})
    line_out = playback()
    line_out.write(PERIOD * 4)
    made["lineout"].unplug()
    for _ in range(3):
        with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
            line_out.write(PERIOD)
    with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
        playback()
    made["lineout"].plug()
    with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
        line_out.write(PERIOD)  # the one that was pulled does not come back
    line_out.close()
    line_out = playback()
    assert line_out.write(PERIOD) == 480
    dropped(line_out)
    assert [event.what for event in made["lineout"].events] == ["start", "unplugged", "start", "stop"]


def test_stalled_it_holds_whoever_waits_and_loses_nothing_afterwards(cards):
    made = cards(linein={})
    made["linein"].file.write_bytes(np.arange(48_000, dtype="<i2").tobytes())
    line_in = capture()
    line_in.read()
    made["linein"].stall()
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(line_in.read()[1] for _ in range(2)))
    reader.start()
    reader.join(0.8)
    assert reader.is_alive()
    made["linein"].go_on()
    reader.join(5)
    numbers = np.frombuffer(b"".join(heard), "<i2")
    assert numbers.tolist() == list(range(480, 480 + 2 * 480))
    dropped(line_in)


def test_only_one_has_it(cards):
    cards(lineout={})
    line_out = playback()
    with pytest.raises(alsaaudio.ALSAAudioError, match="Device or resource busy"):
        playback()
    line_out.close()
    playback().close()


def test_draining_takes_as_long_as_the_sound(cards):
    made = cards(lineout={})
    line_out = playback()
    line_out.write(PERIOD * 4)
    line_out.drain()
    line_out.close()
    start, stop = made["lineout"].events
    assert len(made["lineout"].samples()) == 1920 <= stop.frame
    assert 0.040 <= stop.at_s - start.at_s < 1.0


POOR = {"channels": "2", "rates": "44100", "formats": "S32_LE", "periods": "512 1024"}


def test_a_poor_card_gives_what_it_has_and_plug_converts_it(cards):
    made = cards(poor=POOR)
    line_out = playback("hw:CARD=poor")
    info = line_out.info()
    assert [info[key] for key in ("rate", "format_name", "channels", "period_size")] == [44_100, "S32_LE", 2, 512]
    line_out.close()
    line_out = playback("plughw:CARD=poor")
    line_out.write(PERIOD * 20)
    dropped(line_out)
    heard = np.fromfile(made["poor"].file, "<i4").reshape(-1, 2)
    assert heard[1000:2000].tolist() == pytest.approx(np.full((1000, 2), 1000 << 16), rel=0.001)


def test_its_wake_ups_are_late_when_it_is_told_so(cards):
    cards(linein={"late": 30})
    line_in = capture()
    line_in.read()
    gaps = []
    for _ in range(40):
        before_s = time.monotonic()
        line_in.read()
        gaps.append(time.monotonic() - before_s)
    dropped(line_in)
    assert np.median(np.abs(np.array(gaps) - 0.010)) > 0.004


def test_a_process_of_its_own_has_it_by_its_environment(cards):
    made = cards(lineout={})
    said = subprocess.run(
        [sys.executable, "-c", "import alsaaudio; print(alsaaudio.PCM(device='hw:CARD=lineout').info()['rate'])"],
        env=made.environment,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "44100\n"
