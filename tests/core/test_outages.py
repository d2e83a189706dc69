"""One record with one cause per loss of LIVE."""

from service.core.errors import Cause
from service.core.outages import Outage, Outages


def test_the_first_cause_stays_and_the_record_comes_with_live():
    story = Outages()
    assert story.live(10.0) is None
    story.lost(Cause.ROOM, 20.0)
    story.lost(Cause.NETWORK, 25.0)
    assert story.live(32.5) == Outage(Cause.ROOM, 12.5, live_again=True)
    assert story.live(33.0) is None  # once


def test_silent_media_are_explained_by_what_shows_after_them():
    story = Outages()
    story.live(0.0)
    for cause in (Cause.MEDIA, Cause.MEDIA, Cause.ADDRESS, Cause.NETWORK):
        story.lost(cause, 1.0)
    assert story.live(3.0) == Outage(Cause.ADDRESS, 2.0, live_again=True)


def test_less_than_a_second_is_no_outage():
    story = Outages()
    story.live(0.0)
    story.lost(Cause.MEDIA, 1.0)
    assert story.live(1.99) is None
    story.lost(Cause.MEDIA, 2.0)
    assert story.live(3.0) is not None


def test_a_person_ends_it_and_what_was_never_live_cannot_be_lost():
    story = Outages()
    story.lost(Cause.NETWORK, 0.0)
    assert story.live(50.0) is None
    story.lost(Cause.SESSION, 60.0)
    assert story.meant(65.0) == Outage(Cause.SESSION, 5.0, live_again=False)
    story.lost(Cause.NETWORK, 70.0)  # paused or off air: nothing is lost
    assert story.meant(80.0) is None and story.live(90.0) is None
