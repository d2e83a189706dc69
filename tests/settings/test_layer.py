from service.settings.layer import Layer, place_of


def named(name, data):
    return Layer(data, lambda path: f"{name}:{'.'.join(map(str, path))}")


TOP = named("top", {"box": {"name": "x"}, "pair": [{"name": "p"}]})
LOW = named("low", {"box": {"name": "y", "autostart": "z"}, "pair": [{"name": "q", "source": "en"}], "log": 5})


def test_a_value_is_the_highest_layers():
    assert place_of(("box", "name"), [TOP, LOW]) == "top:box.name"
    assert place_of(("box", "autostart"), [TOP, LOW]) == "low:box.autostart"


def test_what_is_missing_belongs_to_its_nearest_parent():
    assert place_of(("log", "level"), [TOP, LOW]) == "low:log"
    assert place_of(("nowhere", "at all"), [TOP, LOW]) == "settings"


def test_a_list_comes_whole_so_what_it_lacks_is_not_looked_for_below():
    assert place_of(("pair", 0, "source"), [TOP, LOW]) == "top:pair.0"
