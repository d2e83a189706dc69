import base64
import time

import jwt
import pytest

from service.sandbox.tokens import Grant, SigningKey, TokenRefused, mint, verify

KEY = SigningKey("sandbox-key", "planted-signing-secret-of-32-bytes-or-more")
ROOM = "50ff0fa2"
WHO = "publisher_1"


def signed(*, algorithm: str = "HS256", secret: str = KEY.secret, drop: str = "", video: object = ..., **claims) -> str:
    whole = {"iss": KEY.key, "sub": WHO, "exp": time.time() + 3600, "video": {"room": ROOM, "roomJoin": True}, **claims}
    if video is not ...:
        whole["video"] = video
    return jwt.encode({name: value for name, value in whole.items() if name != drop}, secret, algorithm=algorithm)


def test_a_grant_goes_through_a_token():
    publisher = Grant(WHO, ROOM)
    listener = Grant("subscriber_1", ROOM, can_publish=False, can_publish_data=False)
    for grant in (publisher, listener):
        assert verify(mint(grant, KEY, now_s=time.time()), KEY) == grant


def test_the_claims_are_livekits():
    token = mint(Grant(WHO, ROOM, can_publish=False), KEY, now_s=1_800_000_000.9, lifetime_s=600)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "iss": KEY.key,
        "sub": WHO,
        "name": WHO,
        "nbf": 1_799_999_940,
        "exp": 1_800_000_600,
        "video": {"room": ROOM, "roomJoin": True, "canPublish": False, "canSubscribe": True, "canPublishData": True},
    }


def test_absent_permissions_are_granted():
    assert verify(signed(), KEY) == Grant(WHO, ROOM)


def test_a_minute_of_leeway_either_way():
    assert verify(signed(exp=time.time() - 50), KEY)
    assert verify(signed(nbf=time.time() + 50), KEY)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (signed(exp=time.time() - 70), "expired"),
        (signed(nbf=time.time() + 3600), "not valid yet"),
        (signed(iss="planted-key"), "unknown key"),
        (signed(secret="planted-other-secret-of-32-bytes-or-more"), "signature"),
        (signed(algorithm="HS512", secret=KEY.secret * 2), "HS256"),
        (jwt.encode({"sub": "planted"}, None, algorithm="none"), "HS256"),
        (signed(drop="exp"), "lacks exp"),
        (signed(drop="sub"), "lacks exp, iss or sub"),
        (signed(drop="iss"), "lacks exp, iss or sub"),
        (signed(exp="planted"), "cannot be read"),
        (signed(sub=""), "no identity"),
        (signed(sub=5), "cannot be read"),
        (signed(drop="video"), "joining"),
        (signed(video="planted"), "joining"),
        (signed(video={"room": ROOM}), "joining"),
        (signed(video={"room": ROOM, "roomJoin": "true"}), "joining"),
        (signed(video={"room": "", "roomJoin": True}), "no room"),
        (signed(video={"room": 5, "roomJoin": True}), "no room"),
        (signed(video={"room": ROOM, "roomJoin": True, "canPublish": "planted"}), "canPublish"),
        ("planted", "cannot be read"),
        ("", "cannot be read"),
        ("plantéd.\ud800.x", "cannot be read"),
        (f"{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.e30.x", "cannot be read"),
        (signed(exp=1e400), "cannot be read"),
    ],
)
def test_refused_with_a_reason_that_holds_no_token(token, reason):
    with pytest.raises(TokenRefused, match=reason) as caught:
        verify(token, KEY)
    assert caught.value.__context__ is None
    assert "planted" not in str(caught.value)
    assert not token or token not in str(caught.value)


def test_the_secret_is_in_no_repr():
    assert KEY.secret not in repr(KEY)
