import numpy as np
import pytest

from service.dsp.feedback import LAGS, STEP_S, WINDOW, Envelope, FeedbackCheck

STEPS = WINDOW + LAGS
TALK = round(2 / STEP_S)


def db(value: float) -> float:
    return 10 ** (value / 10)


def speech(seed: int, *, steps: int = 3 * STEPS) -> np.ndarray:
    """The powers of a voice: syllables of 100 to 300 ms, 25 dB between the loudest and the quietest."""
    chance = np.random.default_rng(seed)
    syllables = [db(chance.uniform(-40, -15)) * np.hanning(chance.integers(7, 18))[1:-1] for _ in range(steps // 5)]
    return np.concatenate(syllables)[:steps] + db(-75)


def in_turns(voice: np.ndarray) -> np.ndarray:
    """Two seconds of it, two seconds of nothing, and so on."""
    return np.where(np.arange(len(voice)) // TALK % 2 == 0, voice, db(-75))


class Room:
    """What line-out plays and what line-in hears of it, looked at every 10 s."""

    def __init__(self) -> None:
        self.line_in, self.line_out = Envelope(), Envelope()
        self.check = FeedbackCheck(self.line_in, self.line_out)
        self.now_s = 1000.0

    def sound(self, heard: np.ndarray, played: np.ndarray, *, look_every: int = WINDOW // 2) -> list[bool]:
        said = []
        for step, (one, other) in enumerate(zip(heard, played, strict=True), 1):
            for half in (0.3, 0.8):  # two periods of 10 ms each
                self.line_in.add(self.now_s + half * STEP_S, one)
                self.line_out.add(self.now_s + half * STEP_S, other)
            self.now_s += STEP_S
            if step % look_every == 0:
                self.check.look(self.now_s)
                said.append(self.check.warning)
        return said


def leak(played: np.ndarray, loss_db: float, *, delay_s: float) -> np.ndarray:
    return np.roll(played, round(delay_s / STEP_S)) * db(loss_db) + db(-70)


@pytest.mark.parametrize(("loss_db", "delay_s"), [(-20, 0.3), (-40, 0.3), (-20, 0.0), (-20, 1.98)])
def test_what_line_out_plays_is_known_again_and_told_at_the_second_look(loss_db, delay_s):
    played = speech(1)
    said = Room().sound(leak(played, loss_db, delay_s=delay_s), played)
    assert len(said) == 6 and not said[0] and all(said[2:])


@pytest.mark.parametrize("seed", range(5))
def test_two_voices_are_not_feedback(seed):
    assert not any(Room().sound(speech(2 * seed), speech(2 * seed + 1)))


def test_nor_are_a_speaker_and_a_translation_that_pause_in_turns():
    assert not any(Room().sound(in_turns(speech(1)), in_turns(speech(2))))
    assert not any(Room().sound(in_turns(speech(1)), np.roll(in_turns(speech(2)), TALK // 2)))


def test_a_translation_under_another_voice_is_not_told():
    played = speech(1)
    assert not any(Room().sound(leak(played, -20, delay_s=0.3) + speech(2), played))


def test_the_warning_stays_while_nothing_is_played_and_ends_when_it_is_not_heard_any_more():
    room = Room()
    played, silence = speech(1), np.full(2 * STEPS, db(-120))
    assert room.sound(leak(played, -20, delay_s=0.3), played)[-1]
    assert all(room.sound(silence, silence))
    said = room.sound(speech(2), speech(3))
    assert said[0] and not said[-1]


def test_one_look_alike_is_chance():
    room, played = Room(), speech(1)
    alike = leak(played, -20, delay_s=0.3)
    for heard in (alike, speech(2), alike):
        assert room.sound(heard, played, look_every=len(played)) == [False]
    assert room.sound(alike, played, look_every=len(played)) == [True]


def test_time_without_blocks_is_silence():
    envelope = Envelope()
    envelope.add(100.001, 0.5)
    envelope.add(100.012, 0.1)
    envelope.add(100.061, 0.2)
    seen = envelope.until(100.09)
    assert len(seen) == STEPS
    assert seen[-4:] == pytest.approx([10 * np.log10(0.3), -70, -70, 10 * np.log10(0.2)])
    assert (envelope.until(101.0)[-46:] == -70).all() and envelope.until(101.0)[-47] > -10
    assert (envelope.until(130.0) == -70).all()
    envelope.add(500.0, 0.5)
    assert (envelope.until(500.0) == -70).all()
    assert (envelope.until(500.03)[:-1] == -70).all()
