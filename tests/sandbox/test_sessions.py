import time

import pytest

from service.core.session import SessionRequest
from service.sandbox.sessions import Rights, SessionStore, TooManySessions
from service.sandbox.tokens import Grant, SigningKey, verify

KEY = SigningKey("sandbox-key", "planted-signing-secret-of-32-bytes-or-more")


class Story:
    """A store with all its endings noted."""

    def __init__(self, **options) -> None:
        self.ended: list[str] = []
        self.store = SessionStore(key=KEY, on_deleted=lambda session: self.ended.append(session.id), **options)

    def create(self, now_s: float = 0.0, rights: Rights | None = None, **request):
        return self.store.create(SessionRequest(**request), rights or Rights(), now_s=now_s)


@pytest.fixture
def story():
    return Story(unused_s=300, linger_s=60)


def test_tokens_are_the_rights(story):
    session = story.store.create(SessionRequest(subscriber_count=2), Rights(can_subscribe=False), now_s=time.time())
    room = session.room_name
    assert verify(session.publisher, KEY) == Grant(f"publisher_{room}", room, can_subscribe=False)
    listeners = [verify(token, KEY) for token in session.subscribers]
    assert listeners == [
        Grant(f"subscriber_{room}_{number}", room, can_publish=False, can_publish_data=False) for number in range(2)
    ]


def test_sessions_are_found_and_deleted_once(story):
    one, two = story.create(), story.create()
    assert one.id != two.id and one.room_name != two.room_name
    assert story.store.get(one.id, now_s=1) is one
    assert story.store.of_room(two.room_name, now_s=1) is two
    assert story.store.of_room("other", now_s=1) is None
    assert story.store.delete(one.id) and not story.store.delete(one.id)
    assert story.store.sessions(now_s=1) == [two]
    assert story.ended == [one.id]


def test_ten_at_once():
    story = Story()
    first, *_ = [story.create() for _ in range(10)]
    with pytest.raises(TooManySessions):
        story.create()
    story.store.delete(first.id)
    assert story.create()


def test_an_unused_session_lapses(story):
    session = story.create(now_s=0)
    assert story.store.get(session.id, now_s=299)
    assert story.store.get(session.id, now_s=300) is None
    assert story.ended == [session.id]


def test_a_session_in_use_is_kept_and_lapses_a_minute_after_the_last_has_left(story):
    session = story.create(now_s=0)
    story.store.joined(session, now_s=10)
    story.store.joined(session, now_s=20)
    story.store.expire(1000)
    assert session.expires_at_s == 1060
    story.store.left(session, now_s=1100)
    story.store.expire(2000)
    assert story.ended == []
    story.store.left(session, now_s=2010)
    story.store.expire(2069)
    assert story.ended == []
    story.store.expire(2070)
    assert story.ended == [session.id]


def test_the_expiry_can_be_set(story):
    session = story.create(now_s=0)
    story.store.set_ttl(session, 1000, now_s=100)
    assert story.store.get(session.id, now_s=1099)
    assert story.store.get(session.id, now_s=1100) is None


def test_secrets_are_in_no_repr(story):
    session = story.create(subscriber_count=1)
    assert not any(secret in repr(session) for secret in (session.id, session.publisher, *session.subscribers))
