import pytest

from service.core.audio import Level
from service.core.loudness import as_json, in_words


@pytest.mark.parametrize(
    ("held_dbfs", "flags", "word"),
    [
        (-120.0, {"silent": True}, "silent"),
        (-120.0, {}, "too quiet"),
        (-30.1, {}, "too quiet"),
        (-30.0, {}, "good"),
        (-3.0, {}, "good"),
        (-2.9, {}, "too loud"),
        (-2.9, {"clip": True}, "clipping"),
        (-40.0, {"clip": True, "silent": True}, "clipping"),
    ],
)
def test_the_word_goes_by_the_held_peak_and_the_flags(held_dbfs, flags, word):
    assert in_words(Level(peak_dbfs=-120.0, rms_dbfs=-120.0, peak_hold_dbfs=held_dbfs, **flags)) == word


def test_a_level_as_json_data():
    figures = {"peak_dbfs": -6.0, "rms_dbfs": -20.0, "peak_hold_dbfs": -5.5}
    assert as_json(Level(**figures)) == {**figures, "clip": False, "silent": False, "word": "good"}
