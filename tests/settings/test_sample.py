"""`deploy/boothd.toml` is the manual: it must be complete, true, and change nothing as it is."""

import re
import tomllib
from pathlib import Path

from service.core.gpio_lines import GpioLine
from service.settings import Settings, load
from service.settings.keys import all_keys

SAMPLE = Path(__file__).parents[2] / "deploy" / "boothd.toml"
COMMENTED_KEY = re.compile(r"^#(?=[^\s#])")


def uncommented(*, examples: bool) -> str:
    lines, in_example = [], False
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        if line == "# example:":
            in_example = True
        elif not line:
            in_example = False
        if examples or not in_example:
            line = COMMENTED_KEY.sub("", line)
        lines.append(line)
    return "\n".join(lines)


def test_as_it_is_it_equals_loading_nothing():
    assert load(SAMPLE, environ={}) == load(None, environ={}) == Settings()


def test_uncommented_as_a_whole_it_loads_and_could_run(tmp_path):
    path = tmp_path / "boothd.toml"
    path.write_text(uncommented(examples=True))
    assert load(path, environ={"PALABRA_API_KEY": "key"}, for_run=True).menu().pairs[1].targets == ("en", "it")


def test_what_is_not_marked_as_an_example_is_the_default(tmp_path):
    path = tmp_path / "boothd.toml"
    path.write_text(uncommented(examples=False))
    assert load(path, environ={}) == Settings()
    written = tomllib.loads(path.read_text())
    assert written["palabra"]["base_url"] and written["audio"]["output"]["playout_min"]  # they were uncommented


def test_every_key_is_in_it_and_nothing_else_is_uncommented():
    written = set(_paths(tomllib.loads(uncommented(examples=True))))
    assert written >= {keys for keys in all_keys() if keys[0] not in ("lamps", "buttons") or len(keys) == 2}
    assert {keys[-1] for keys in written if keys[0] == "lamps"} >= {"pin", "active_high"}
    plain = tomllib.loads(SAMPLE.read_text())
    assert not [path for path in _paths(plain) if path[-1] not in ("input", "output") and len(path) > 1]


def test_lines_of_other_boards_are_written_as_its_comment_says(tmp_path):
    lines = re.findall(r"{ line = [^}]+}", SAMPLE.read_text())
    path = tmp_path / "boothd.toml"
    path.write_text("[lamps]\nlink = {}\nlive = {}".format(*lines))
    lamps = load(path, environ={}).lamps
    assert (lamps.link.place, lamps.live.place) == (GpioLine("PA7"), GpioLine(7, "1c20800.pinctrl"))


def _paths(value, above=()):
    if above:
        yield above
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*above, key))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict):
                yield from (path for path in _paths(inner, above) if path != above)
