import pytest

from service.sound.cushion import MOST_PERIODS, USUAL_PERIODS, Cushion


def starved(cushion: Cushion, *times_s: float) -> int:
    for time_s in times_s:
        cushion.underrun(time_s)
    return cushion.periods


@pytest.mark.parametrize(
    ("times_s", "periods"),
    [((0, 20, 40), 4), ((0, 20, 40, 60), 8), ((0, 20, 40, 61), 4), ((0, 50, 70, 80, 90), 8), ((0,) * 4, 8)],
)
def test_more_than_three_underruns_in_a_minute_are_too_many(times_s, periods):
    cushion = Cushion()
    assert starved(cushion, *times_s) == periods
    assert cushion.wants_another(90) == (periods == 8)


def test_what_runs_dry_until_the_card_is_opened_again_counts_once():
    cushion = Cushion()
    assert starved(cushion, *range(20)) == 2 * USUAL_PERIODS
    cushion.opened()
    assert not cushion.wants_another(20)
    assert starved(cushion, 21, 22, 23) == 2 * USUAL_PERIODS
    assert starved(cushion, 24) == 4 * USUAL_PERIODS


def test_there_is_an_end_to_it():
    cushion = Cushion()
    for again in range(5):
        starved(cushion, *(100 * again + n for n in range(4)))
        cushion.opened()
    assert cushion.periods == MOST_PERIODS
    starved(cushion, 1000, 1001, 1002, 1003)
    assert not cushion.wants_another(1003)


def test_after_an_hour_it_is_as_usual():
    cushion = Cushion()
    starved(cushion, 0, 1, 2, 3)
    cushion.opened()
    assert not cushion.wants_another(3602)
    assert cushion.wants_another(3603)
    assert cushion.periods == USUAL_PERIODS
    cushion.opened()
    assert not cushion.wants_another(3604)
