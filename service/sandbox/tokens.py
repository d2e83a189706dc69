"""LiveKit's access tokens: minted and verified (livekit-signalling 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jwt

LEEWAY_S = 60
LIFETIME_S = 6 * 3600.0


class TokenRefused(Exception):
    """The token opens nothing. The text is the reason and never holds the token."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A LiveKit API key with its secret, 32 characters or more."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what in which room."""

    identity: str
    room: str
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True


def mint(grant: Grant, key: SigningKey, *, now_s: float, lifetime_s: float = LIFETIME_S) -> str:
    """A token for this grant, valid from a minute before `now_s` (epoch seconds)."""
    claims = {
        "iss": key.key,
        "sub": grant.identity,
        "name": grant.identity,
        "nbf": int(now_s) - LEEWAY_S,
        "exp": int(now_s + lifetime_s),
        "video": {
            "room": grant.room,
            "roomJoin": True,
            "canPublish": grant.can_publish,
            "canSubscribe": grant.can_subscribe,
            "canPublishData": grant.can_publish_data,
        },
    }
    return jwt.encode(claims, key.secret, algorithm="HS256")


def mint_admin(room: str, key: SigningKey, *, now_s: float) -> str:
    """A token for LiveKit's server API, for this room and a minute."""
    grants = {"room": room, "roomAdmin": True, "roomCreate": True, "roomList": True}
    claims = {"iss": key.key, "nbf": int(now_s) - LEEWAY_S, "exp": int(now_s) + 60, "video": grants}
    return jwt.encode(claims, key.secret, algorithm="HS256")


def verify(token: str, key: SigningKey) -> Grant:
    """What the token grants now. Raises TokenRefused."""
    try:
        claims = jwt.decode(
            token,
            key.secret,
            algorithms=["HS256"],
            issuer=key.key,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "sub"], "verify_aud": False, "verify_iat": False},
        )
    # PyJWT lets the last three out on hostile input.
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
        reason = _REASONS.get(type(error), "the token cannot be read")
    else:
        return _grant(claims)
    raise TokenRefused(reason)  # out here, without a cause that may hold the token


_REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token was issued under an unknown key",
    jwt.InvalidSignatureError: "the token's signature is wrong",
    jwt.InvalidAlgorithmError: "the token is not signed with HS256",
    jwt.MissingRequiredClaimError: "the token lacks exp, iss or sub",
}


def _grant(claims: dict[str, Any]) -> Grant:
    video = claims.get("video")
    if not isinstance(video, dict) or video.get("roomJoin") is not True:
        raise TokenRefused("the token does not allow joining a room")
    room, identity = video.get("room"), claims["sub"]
    if not isinstance(room, str) or not room or not identity:
        raise TokenRefused("the token names no room or no identity")
    return Grant(
        identity=identity,
        room=room,
        can_publish=_allowed(video, "canPublish"),
        can_subscribe=_allowed(video, "canSubscribe"),
        can_publish_data=_allowed(video, "canPublishData"),
    )


def _allowed(video: dict[str, Any], name: str) -> bool:
    """LiveKit's three values: absent means allowed."""
    value = video.get(name)
    if value is not None and not isinstance(value, bool):
        raise TokenRefused(f"the token's {name} is neither true nor false")
    return value is not False
