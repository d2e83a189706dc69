import numpy as np

from service.dsp.fader import FALL, RISE, Fader, faded_in, rise


def test_a_rise_ends_at_one_and_has_no_corner():
    curve = rise(240)
    assert curve[-1] == 1.0
    assert 0 < curve[0] < 0.001
    assert np.abs(np.diff(curve, n=2, prepend=[0, 0], append=[1, 1])).max() < 1e-4  # a straight ramp has 4e-3


def test_fading_in_leaves_what_it_is_given_alone_and_takes_any_length_and_channels():
    sound = np.ones((2, 480), np.float32)
    heard = faded_in(sound)
    assert np.array_equal(heard[1, :240], RISE) and (heard[:, 240:] == 1.0).all() and (sound == 1.0).all()
    assert np.array_equal(faded_in(sound[0, :7]), RISE[:7])
    assert np.array_equal(RISE + FALL, sound[0, :240])


def test_a_way_longer_than_a_block_goes_on_in_the_next():
    fader = Fader(0.0)
    fader.to(1.0, samples=960)
    gains = np.concatenate([fader.gains(480) for _ in range(3)])
    assert np.allclose(gains[:960], rise(960))
    assert (gains[960:] == 1.0).all()


def test_asking_again_for_the_same_gain_does_not_begin_again():
    fader = Fader(0.0)
    pieces = []
    for _ in range(2):
        fader.to(1.0, samples=960)
        pieces.append(fader.gains(480))
    assert np.allclose(np.concatenate(pieces), rise(960))


def test_turning_round_on_the_way_starts_from_where_it_is():
    fader = Fader(0.0)
    fader.to(1.0, samples=960)
    before = fader.gains(480)[-1]
    fader.to(0.0, samples=240)
    back = fader.gains(480)
    assert abs(back[0] - before) < 0.001
    assert (back[240:] == 0.0).all()
