import pytest

from service.core.routes import Route, channel_names, unheard


@pytest.mark.parametrize(
    ("target", "targets", "expected"),
    [
        (None, ("es", "fr"), "es"),
        (None, (), None),
        ("fr", ("es", "fr"), "fr"),
        ("es", ("fr", "es-mx"), "es-mx"),
        ("es-mx", ("es-es", "es-mx"), "es-mx"),
        ("de", ("es", "fr"), None),
    ],
)
def test_which_of_a_pairs_targets_is_heard(target, targets, expected):
    assert Route("card", target).target_of(targets) == expected


@pytest.mark.parametrize(
    ("target", "language", "expected"),
    [("es", "es", True), ("es", "es-mx", True), ("es", "fr", False), (None, "fr", True), ("es", "qq", True)],
)
def test_which_tracks_it_may_take(target, language, expected):
    assert Route("card", target).may_take(language, ("es", "fr")) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("both", "both", True), ("both", "left", True), ("left", "left", True), ("left", "right", False)],
)
def test_whether_two_come_out_of_one_jack(one, other, expected):
    first, second = Route("card", channel=one), Route("card", channel=other)
    assert first.meets(second) is second.meets(first) is expected
    assert not first.meets(Route("other", channel=other))


def test_targets_that_go_nowhere():
    routes = [Route("card", "es", "left"), Route("card", "fr", "right")]
    assert unheard(("es-mx", "fr", "de"), routes) == ("de",)
    assert unheard(("es", "fr"), [Route("card")]) == ("fr",)


def test_channels_have_names():
    assert [channel_names(n) for n in (1, 2, 4)] == [("mono",), ("left", "right"), ("left", "right", "3", "4")]
