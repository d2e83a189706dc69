"""Seconds pass by looking ten times in each."""

from itertools import groupby

import pytest

from service.core.floor import FloorRules, FloorWatch, Programme
from service.core.phase import Phase

T, F, S = Programme.TRANSLATION, Programme.FLOOR, Programme.SILENCE


class Story:
    """One watch, and what was heard of the target "es"."""

    def __init__(self, **rules):
        self.watch = FloorWatch(FloorRules(**rules))
        self.now, self.heard_s, self.chosen, self.programmes = 0, None, False, []

    def go(self, seconds, phase=Phase.LIVE, *, heard=False, said=False, other=()):
        """So many seconds in this phase, with the translation heard all along, and something said at their begin."""
        if said:
            self.watch.said(self.now / 10)
        for _ in range(round(seconds * 10)):
            self.heard_s = self.now / 10 if heard else self.heard_s
            heard_s = {"es": self.heard_s, **dict.fromkeys(other, self.now / 10)}
            now = self.watch.look(self.now / 10, phase=phase, chosen=self.chosen, heard_s=heard_s)
            self.programmes.append(now["es"])
            self.now += 1
        return now

    def told(self):
        """Each programme with the second it began at."""
        at, story = 0, []
        for programme, looks in groupby(self.programmes):
            story.append((at / 10, programme))
            at += len(list(looks))
        return story


def test_a_lost_link_brings_the_floor_and_its_return_the_translation():
    story = Story()
    story.go(10, heard=True)
    story.go(20, Phase.WAITING)
    assert story.watch.fallen_back
    story.go(10)
    assert story.told() == [(0, T), (16.0, F), (33.0, T)]
    assert not story.watch.fallen_back


def test_a_link_that_is_back_in_time_changes_nothing():
    story = Story()
    story.go(10, heard=True)
    for phase in (Phase.WAITING, Phase.CREATING, Phase.JOINING, Phase.PREPARING):
        story.go(1.4, phase)
    story.go(10)
    assert story.told() == [(0, T)]


def test_a_link_that_breaks_again_is_not_good_enough():
    story = Story()
    story.go(10, Phase.WAITING)
    for _ in range(5):
        story.go(2.5)
        story.go(1, Phase.WAITING)
    assert story.told() == [(0, T), (6.0, F)]
    story.go(4)
    assert story.told()[-1] == (30.5, T)


def test_what_was_said_and_is_not_heard_brings_the_floor():
    story = Story()
    story.go(10, said=True)
    assert story.told() == [(0, T), (6.0, F)]


def test_the_first_sentence_counts_however_many_follow():
    story = Story()
    for _ in range(10):
        story.go(1, said=True)
    assert story.told() == [(0, T), (6.0, F)]


def test_speech_without_a_transcription_brings_nothing():
    story = Story()
    story.go(600)
    assert story.told() == [(0, T)]


def test_a_translation_that_was_over_before_its_transcription_counts():
    story = Story()
    story.go(5, heard=True)
    story.go(1.5)
    story.go(20, said=True)
    assert story.told() == [(0, T)]


def test_a_translation_that_is_heard_again_returns_once_it_is_stable():
    story = Story()
    story.go(20, said=True)
    story.go(5, said=True)  # the speaker goes on
    story.go(2, heard=True)
    story.go(10)
    assert story.told() == [(0, T), (6.0, F), (28.0, T)]


def test_a_link_alone_does_not_bring_back_what_was_never_heard():
    story = Story()
    story.go(20, said=True)
    story.go(3, Phase.WAITING)
    story.go(20)
    assert story.told() == [(0, T), (6.0, F)]


def test_each_target_falls_alone():
    story = Story()
    assert story.go(1, other=["fr"]) == {"es": T, "fr": T}
    assert story.go(10, said=True, other=["fr"]) == {"es": F, "fr": T}


@pytest.mark.parametrize("phase", [Phase.READY, Phase.PAUSED, Phase.FAULT, Phase.STARTING])
def test_off_air_is_what_the_rules_say(phase):
    assert Story(off_air=S).go(1, phase)["es"] is S
    assert Story(off_air=F).go(1, phase)["es"] is F


def test_the_floor_of_a_box_off_air_is_heard_until_it_is_live():
    story = Story(off_air=F)
    story.go(3, Phase.READY)
    for phase in (Phase.CREATING, Phase.JOINING, Phase.PREPARING):
        story.go(1, phase)
    story.go(3)
    assert story.told() == [(0, F), (6.0, T)]


def test_a_pause_ends_a_fall():
    story = Story()
    story.go(10, said=True)
    story.go(5, Phase.PAUSED)
    story.go(5)
    assert story.told() == [(0, T), (6.0, F), (10.0, S), (15.0, T)]


def test_without_a_fallback_nothing_stands_in():
    story = Story(fallback=None)
    story.go(10, said=True)
    story.go(20, Phase.WAITING)
    assert story.told() == [(0, T)]
    assert not story.watch.fallen_back


def test_a_person_has_the_floor_at_once_and_gives_it_back_at_once():
    story = Story(off_air=S)
    story.go(1, heard=True)
    story.chosen = True
    story.go(1, heard=True)
    story.go(1, Phase.PAUSED)
    story.chosen = False
    story.go(1, heard=True)
    assert story.told() == [(0, T), (1.0, F), (3.0, T)]


def test_on_the_way_out_nothing_is_heard():
    story = Story(off_air=F)
    story.chosen = True
    assert story.go(1, Phase.STOPPING)["es"] is S
