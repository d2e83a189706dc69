import json
import math

import pytest

from service.core import lamp_words
from service.core.errors import FaultCode
from service.core.lamps import CODES, FACES, FAST, SLOW, LampClass


@pytest.mark.parametrize("pattern", [SLOW, FAST])
def test_the_words_of_a_pattern_are_its_times(pattern):
    lit_s, dark_s = pattern.steps_s
    assert lamp_words.PATTERN_WORDS[pattern] == f"{lit_s:g} s lit, {dark_s:g} s dark"


def test_every_code_and_every_class_has_words_of_its_own():
    assert list(lamp_words.CODE_WORDS) == list(FaultCode)
    means = [row[3] for row in lamp_words.rows()]
    assert means == [said.value for said in LampClass] and len(set(means)) == len(means)


def test_the_json_is_enough_to_blink_by():
    told = json.loads(json.dumps(lamp_words.as_json(), allow_nan=False))
    for said, row in zip(LampClass, told["classes"], strict=True):
        if said is not LampClass.FAULT:
            steps = [told["patterns"][row[lamp]]["steps_s"] for lamp in ("link", "live", "alert")]
            forever = [tuple(math.inf if step is None else step for step in each) for each in steps]
            assert forever == [pattern.steps_s for pattern in FACES[said]]
    assert [told["patterns"][f"code-{code}"]["steps_s"] for code in told["codes"]] == [
        list(pattern.steps_s) for pattern in CODES.values()
    ]
