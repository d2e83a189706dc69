from service.core.repeats import APART_S, EACH, Repeats


def test_the_first_are_told_and_then_one_an_hour_with_how_many_there_were():
    repeats, told = Repeats(), []
    for second in range(0, 3 * 3600, 10):
        again = repeats.look("try", float(second))
        if again is not None:
            told.append((second, again))
    assert told[:EACH] == [(10 * number, 0) for number in range(EACH)]
    assert told[EACH:] == [(90 + 3600, 359), (90 + 7200, 359)]


def test_each_kind_for_itself():
    repeats = Repeats()
    for _ in range(EACH):
        assert repeats.look("try", 0.0) == 0
    assert repeats.look("try", 1.0) is None
    assert repeats.look("failure", 1.0) == 0


def test_what_comes_less_often_than_hourly_is_always_told():
    repeats = Repeats()
    assert all(repeats.look("a day", number * APART_S) == 0 for number in range(100))


def test_after_a_well_time_all_is_new():
    repeats = Repeats()
    for _ in range(EACH + 5):
        repeats.look("try", 0.0)
    repeats.over()
    assert [repeats.look("try", 1.0) for _ in range(EACH + 1)] == [0] * EACH + [None]
