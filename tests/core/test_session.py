import base64
import json

import pytest

from service.core.errors import BadSettings, CloudRejected, CloudUnreachable
from service.core.session import ApiKey, ClientPair, Session, SessionRequest, claims, created_id, parse_created

DATA = {
    "publisher": "head.body.mark",
    "subscriber": ["one", "two"],
    "webrtc_room_name": "e0a14Cb7",
    "webrtc_url": "https://streaming-0.example/livekit/",
    "ws_url": "wss://streaming-0.example/streaming-api/v1/speech-to-speech/stream",
    "intent": "api",
    "id": "user.fec6b8fa.af4d2d22",
}
WHOLE = Session(
    id=DATA["id"],
    publisher=DATA["publisher"],
    subscribers=("one", "two"),
    room_name=DATA["webrtc_room_name"],
    webrtc_url=DATA["webrtc_url"],
    ws_url=DATA["ws_url"],
)


def enveloped(**changes: object) -> bytes:
    data = {name: value for name, value in {**DATA, **changes}.items() if value is not ...}
    return json.dumps({"ok": True, "data": data}).encode()


OLD_NAMES = {"room_name": DATA["webrtc_room_name"], "stream_url": DATA["webrtc_url"], "control_url": DATA["ws_url"]}
WITHOUT_NEW_NAMES = {"webrtc_room_name": ..., "webrtc_url": ..., "ws_url": ...}


@pytest.mark.parametrize(
    "body",
    [
        enveloped(),
        json.dumps(DATA).encode(),
        json.dumps({"data": DATA}).encode(),
        enveloped(publisher=[DATA["publisher"], "another"]),
        enveloped(**WITHOUT_NEW_NAMES, **OLD_NAMES),
        enveloped(organization="x", ws_tts_url="wss://x", subscriber_count={"a": [1]}),
    ],
    ids=["enveloped", "flat", "no ok", "list", "generation A", "extras"],
)
@pytest.mark.parametrize("status", [200, 201])
def test_every_shape_of_a_created_session(body, status):
    assert parse_created(status, body, encrypted_only=True) == WHOLE


def test_what_may_be_missing():
    session = parse_created(201, enveloped(subscriber=None, ws_url=None, id=..., webrtc_room_name=...))
    assert (session.subscribers, session.ws_url, session.id, session.room_name) == ((), None, "", "")
    assert parse_created(201, enveloped(subscriber=...)).subscribers == ()
    assert parse_created(201, enveloped(subscriber=["one", None, 5])).subscribers == ("one",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"<html>planted", "not JSON"),
        (enveloped()[:-40], "not JSON"),
        (b'["planted"]', "not JSON"),
        (b'{"ok": true, "data": null}', "publisher"),
        (enveloped(publisher=...), "publisher"),
        (enveloped(publisher=[]), "publisher"),
        (enveloped(publisher=""), "publisher"),
        (enveloped(publisher={"planted": 1}), "publisher"),
        (enveloped(publisher="planted\r\nX-Header: 1"), "publisher"),
        (enveloped(webrtc_url=...), "webrtc_url"),
        (enveloped(webrtc_url="planted"), "webrtc_url"),
        (enveloped(webrtc_url="file:///planted"), "webrtc_url"),
        (enveloped(webrtc_url="https://[planted"), "webrtc_url"),
        (enveloped(ws_url="gopher://planted"), "ws_url"),
    ],
)
def test_a_malformed_answer_is_named_but_not_repeated(body, said):
    with pytest.raises(CloudUnreachable, match=said) as caught:
        parse_created(201, body)
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["webrtc_url", "ws_url"])
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_unencrypted_urls_are_refused_where_the_base_is_encrypted(name, scheme):
    body = enveloped(**{name: f"{scheme}://streaming-0.example/x"})
    assert parse_created(201, body)
    with pytest.raises(CloudUnreachable, match=f"{name} without encryption"):
        parse_created(201, body, encrypted_only=True)


def test_ok_false_is_an_error_in_a_201_too():
    body = json.dumps({"ok": False, "data": DATA, "errors": [{"status": 403, "detail": "Insufficient balance"}]})
    with pytest.raises(CloudRejected, match="Insufficient balance"):
        parse_created(201, body.encode())
    with pytest.raises(CloudUnreachable):
        parse_created(201, b'{"ok": false}')


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (enveloped(publisher=...), DATA["id"]),
        (json.dumps(DATA).encode(), DATA["id"]),
        (enveloped(id=".."), None),
        (enveloped(id="\ud800"), None),
        (enveloped(id=5), None),
        (b"<html>", None),
    ],
)
def test_the_id_to_delete_is_found_wherever_there_is_one(body, found):
    assert created_id(body) == found


def test_requests():
    assert SessionRequest().body() == {"data": {"subscriber_count": 0, "intent": "api"}}
    asked = SessionRequest(subscriber_count=10, intent="desktop", publisher_can_subscribe=True)
    assert asked.body()["data"] == {"subscriber_count": 10, "intent": "desktop", "publisher_can_subscribe": True}


def test_credentials_that_no_header_can_carry_are_refused_unseen():
    for value in ("", "planted\n", "pla nted", "plantéd"):
        for make in (ApiKey, lambda text: ClientPair(text, "x"), lambda text: ClientPair("x", text)):
            with pytest.raises(BadSettings) as caught:
                make(value)
            assert "plant" not in str(caught.value)


def test_reprs_hold_no_secret():
    shown = repr((WHOLE, ClientPair("planted-id", "planted-secret"), ApiKey("planted-key")))
    assert "planted" not in shown
    for secret in (DATA["publisher"], DATA["id"], "one", "livekit"):
        assert secret not in shown


def jwt(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.mark"


@pytest.mark.parametrize(
    ("token", "read"),
    [
        (jwt(b'{"video": {"canPublish": false}}'), {"video": {"canPublish": False}}),
        (jwt(b"[]"), None),
        (jwt(b"\xff"), None),
        ("a.b", None),
        ("a.b.c", None),
        ("a.é.c", None),
        ("", None),
    ],
)
def test_claims_are_read_or_not_and_never_fail(token, read):
    assert claims(token) == read
