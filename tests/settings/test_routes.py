from service.core.languages import LanguagePair
from service.core.routes import Route
from service.settings import Settings
from service.settings.routes import clashes, unheard_targets

PAIRS = [LanguagePair("two", "en", ("es", "fr")), LanguagePair("one", "en", ("de",))]


def found(*routes: Route):
    return [(clash.at, clash.text) for clash in clashes(routes, PAIRS)]


def test_targets_that_are_never_heard_together_may_share_a_channel():
    assert found(Route("card", "es", "left"), Route("card", "fr", "right"), Route("card", "de")) == []


def test_targets_of_one_pair_may_not():
    ((at, text),) = found(Route("card", "es", "left"), Route("card", "de"), Route("card", "fr"))
    assert at == (2,) and text.startswith('fr of the pair "two" would be heard over es of route 1')
    assert found(Route("card", "es"), Route("other", "fr")) == []


def test_the_first_target_is_heard_over_itself_where_it_has_a_route_of_its_own():
    ((at, text),) = found(Route("card"), Route("card", "es-mx", "left"))
    assert at == (1,) and "es of the pair" in text


def test_the_same_twice_and_a_target_of_no_pair():
    assert [at for at, _ in found(Route("card", "es"), Route("card", "es"), Route("card", "it"))] == [
        (1,),
        (2, "target"),
    ]
    assert not list(clashes([Route("card", "it")], []))  # that there are no pairs is said elsewhere


def test_what_is_heard_nowhere_is_told():
    (line,) = unheard_targets([Route("card")], PAIRS)
    assert line.startswith('audio.output: fr of the pair "two" is not heard')
    assert unheard_targets([Route("card", "es", "left"), Route("card"), Route("card", "fr", "right")], PAIRS) == []


def output(**keys):
    return Settings.model_validate({"audio": {"output": keys}}).audio.output


def test_without_routes_the_first_target_goes_where_line_out_is():
    assert output(device="wav:/a", channel="right", gain_db=-3.0).routes() == (Route("wav:/a", None, "right", -3.0),)
    assert output().routes() == (Route(""),)


def test_a_route_takes_what_it_leaves_out_from_line_out():
    routes = [{"target": "ES", "channel": "left"}, {"device": "wav:/b", "gain_db": 0.0}]
    assert output(device="wav:/a", gain_db=-3.0, route=routes).routes() == (
        Route("wav:/a", "es", "left", -3.0),
        Route("wav:/b", None, "both", 0.0),
    )
