"""The seed's contract: one row per field, limit, type and error, run from both ends.

The server's end is the sandbox, asked with plain aiohttp; the client's end is SessionClient against that sandbox.
"""

import json
from urllib.parse import urlsplit

import aiohttp
import pytest

from service.cloud.session_client import SessionClient
from service.core.errors import BadSettings, CloudBusy, CloudRejected, CloudUnreachable
from service.core.problems import parse_problems
from service.core.session import ApiKey, ClientPair, SessionRequest
from tests.fakes.cloud import API_KEY, PAIR, sandbox_api

CREATE = "/session-storage/session"
DEFAULTS = {"subscriber_count": 0, "intent": "api"}


def client(url: str, *, credentials=PAIR, **options) -> SessionClient:
    return SessionClient(
        base_url=url, credentials=credentials, request=options.pop("request", SessionRequest()), **options
    )


async def ask(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """The raw answer to a raw request; only the start of a large one."""
    async with (
        aiohttp.ClientSession(headers=PAIR.headers() if headers is None else headers) as http,
        http.post(url + CREATE, data=body, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.content.read(100_000)


# --- the request: what stands in `data`, the sandbox's status, what a SessionRequest of it does ---

SENDS, REFUSES, CANNOT_SAY = "sends", "refuses", "cannot say"

REQUESTS = [
    ("subscriber_count 0", {"subscriber_count": 0}, 201, SENDS),
    ("subscriber_count 1", {"subscriber_count": 1}, 201, SENDS),
    ("subscriber_count 10, the limit", {"subscriber_count": 10}, 201, SENDS),
    ("subscriber_count 11", {"subscriber_count": 11}, 422, REFUSES),
    ("subscriber_count -1", {"subscriber_count": -1}, 422, REFUSES),
    ("subscriber_count 1.5", {"subscriber_count": 1.5}, 422, REFUSES),
    ("subscriber_count true", {"subscriber_count": True}, 422, REFUSES),
    ("subscriber_count as text", {"subscriber_count": "3"}, 422, REFUSES),
    ("subscriber_count null is absent", {"subscriber_count": None}, 201, CANNOT_SAY),
    ("subscriber_count absent", {"intent": "api"}, 201, CANNOT_SAY),
    ("intent api", {"intent": "api"}, 201, SENDS),
    ("intent broadcaster", {"intent": "broadcaster"}, 201, SENDS),
    ("intent desktop", {"intent": "desktop"}, 201, SENDS),
    ("intent unknown", {"intent": "kiosk"}, 422, REFUSES),
    ("intent in capitals", {"intent": "API"}, 422, REFUSES),
    ("intent a number", {"intent": 5}, 422, REFUSES),
    ("intent a list", {"intent": ["api"]}, 422, REFUSES),
    ("intent null is absent", {"intent": None}, 201, CANNOT_SAY),
    ("publisher_can_subscribe", {"publisher_can_subscribe": True}, 201, SENDS),
    ("publisher_can_subscribe as text", {"publisher_can_subscribe": "yes"}, 422, CANNOT_SAY),
    ("two mistakes", {"subscriber_count": 11, "intent": "kiosk"}, 422, REFUSES),
    ("empty data", {}, 201, CANNOT_SAY),
    ("unknown fields", {"publisher_count": 1, "aggregation_id": "x", "new": {"a": [1]}}, 201, CANNOT_SAY),
    ("data missing", ..., 400, CANNOT_SAY),
    ("data null", None, 400, CANNOT_SAY),
    ("data a list", [], 400, CANNOT_SAY),
    ("data a text", "api", 400, CANNOT_SAY),
]
BODIES = [
    ("not JSON", b"subscriber_count=0"),
    ("empty body", b""),
    ("truncated JSON", b'{"data": {"intent"'),
    ("a list", b"[]"),
    ("null", b"null"),
    ("not UTF-8", b'{"data": {"intent": "\xff"}}'),
    ("nested too deeply", b"[" * 200_000),
]


@pytest.mark.parametrize(("data", "status", "says"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
async def test_request_server(data, status, says):
    document = {} if data is ... else {"data": data}
    async with sandbox_api() as api:
        answered, body = await ask(api.url, json.dumps(document).encode())
        assert answered == status
        if status == 201:
            assert len(json.loads(body)["data"]["subscriber"]) == (data.get("subscriber_count") or 0)
            assert json.loads(body)["data"]["intent"] == (data.get("intent") or "api")
        else:
            check_refusal(body, status)
        assert len(api.open_sessions()) == (status == 201)


@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_request_that_is_no_document_server(body):
    async with sandbox_api() as api:
        status, answer = await ask(api.url, body)
        assert status == 400
        check_refusal(answer, 400)


async def test_every_mistake_has_a_problem_of_its_own():
    async with sandbox_api() as api:
        _, body = await ask(api.url, b'{"data": {"subscriber_count": 11, "intent": "kiosk"}}')
        assert [problem.detail.split()[0] for problem in parse_problems(422, body)] == ["subscriber_count", "intent"]


SAID = [row for row in REQUESTS if row[3] is not CANNOT_SAY]


@pytest.mark.parametrize(("data", "says"), [(row[1], row[3]) for row in SAID], ids=[row[0] for row in SAID])
async def test_request_client(data, says):
    if says is REFUSES:
        with pytest.raises(BadSettings, match=next(iter(data))):
            SessionRequest(**data)
        return
    request = SessionRequest(**data)
    assert request.body() == {"data": {**DEFAULTS, **data}}
    async with sandbox_api() as api:
        async with client(api.url, request=request).open() as session:
            assert len(session.subscribers) == request.subscriber_count
            (stored,) = api.open_sessions()
            assert stored.intent == request.intent


# --- credentials ---

CREDENTIALS = [
    ("client pair", PAIR, None),
    ("API key", API_KEY, None),
    ("wrong id", ClientPair("wrong", PAIR.client_secret), CloudRejected),
    ("wrong secret", ClientPair(PAIR.client_id, "wrong"), CloudRejected),
    ("wrong key", ApiKey("wrong"), CloudRejected),
]


@pytest.mark.parametrize(("given", "error"), [row[1:] for row in CREDENTIALS], ids=[row[0] for row in CREDENTIALS])
async def test_credentials_from_both_ends(given, error):
    async with sandbox_api() as api:
        status, body = await ask(api.url, b'{"data": {}}', given.headers())
        assert status == (401 if error else 201)
        if error is None:
            async with client(api.url, credentials=given).open():
                return
        check_refusal(body, 401)
        with pytest.raises(error, match="credentials .*401.*invalid credentials"):
            async with client(api.url, credentials=given).open():
                pass


@pytest.mark.parametrize("headers", [{}, {"ClientId": PAIR.client_id}, {**PAIR.headers(), **API_KEY.headers()}])
async def test_missing_and_both_credentials_server(headers):
    async with sandbox_api() as api:
        status, body = await ask(api.url, b'{"data": {}}', headers)
        assert status == 401
        check_refusal(body, 401)


# --- the answer's fields ---

FIELDS = [
    ("publisher", str, lambda session: session.publisher),
    ("subscriber", list, lambda session: list(session.subscribers)),
    ("webrtc_room_name", str, lambda session: session.room_name),
    ("webrtc_url", str, lambda session: session.webrtc_url),
    ("ws_url", str, lambda session: session.ws_url),
    ("intent", str, None),
    ("id", str, lambda session: session.id),
]


@pytest.mark.parametrize(("name", "kind", "read"), FIELDS, ids=[row[0] for row in FIELDS])
async def test_answer_field_from_both_ends(name, kind, read):
    async with sandbox_api() as api:
        status, body = await ask(api.url, b'{"data": {"subscriber_count": 2}}')
        document = json.loads(body)
        assert (status, document["ok"], set(document["data"])) == (201, True, {row[0] for row in FIELDS})
        assert type(document["data"][name]) is kind and document["data"][name]
        if read:
            async with client(api.url, request=SessionRequest(subscriber_count=2)).open() as session:
                assert type(read(session)) is kind and read(session)


async def test_the_urls_are_as_in_the_documented_example():
    async with sandbox_api() as api, client(api.url).open() as session:
        host = urlsplit(api.url).netloc
        assert session.webrtc_url == f"http://{host}/livekit/"
        assert session.ws_url == f"ws://{host}/streaming-api/v1/speech-to-speech/stream"


# --- the answers: the sandbox's switch, its status, what the client makes of it ---

ANSWERS = [
    ("as documented", "", 201, None, ""),
    ("200", "status-200", 200, None, ""),
    ("flat", "flat-answer", 201, None, ""),
    ("publisher a list", "list-publisher", 201, None, ""),
    ("generation A", "generation-a", 201, None, ""),
    ("delayed", "delay-create=0.01", 201, None, ""),
    ("201 with ok: false", "ok-false", 201, CloudRejected, r"Insufficient balance \[100050\]"),
    ("no balance", "no-balance", 403, CloudRejected, r"Insufficient balance \[100050\]"),
    ("credentials refused", "unauthorized", 401, CloudRejected, "credentials .*401"),
    ("credentials refused, older", "unauthorized=404", 404, CloudRejected, "no such credentials.*404"),
    ("rate limit", "rate-limit=7", 429, CloudBusy, "later .*429"),
    ("500", "server-error", 500, CloudUnreachable, "trouble .*500"),
    ("503", "server-error=503", 503, CloudUnreachable, "trouble .*503"),
    ("HTML from a proxy", "html-proxy", 200, CloudUnreachable, "not JSON"),
    ("HTML from a gateway", "html-proxy=502", 502, CloudUnreachable, "Bad Gateway"),
    ("truncated JSON", "truncated-json", 201, CloudUnreachable, "not JSON"),
    ("100 MB", "big-body", 201, CloudUnreachable, "larger than"),
    ("redirect", "redirect=http://127.0.0.1:9/", 307, CloudUnreachable, "redirect .307."),
    ("broken problems", "bad-problem", 403, CloudRejected, "only a text; .*Insufficient balance"),
]


@pytest.mark.parametrize(("fault", "status"), [row[1:3] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_answer_server(fault, status):
    async with sandbox_api(*filter(None, [fault])) as api:
        answered, body = await ask(api.url, b'{"data": {}}')
        assert answered == status
        if fault.split("=")[0] in ("no-balance", "unauthorized", "rate-limit", "server-error"):
            check_refusal(body, status)


@pytest.mark.parametrize(
    ("fault", "error", "said"), [(row[1], *row[3:]) for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
async def test_answer_client(fault, error, said):
    async with sandbox_api(*filter(None, [fault])) as api:
        if error is None:
            async with client(api.url).open() as session:
                assert [stored.publisher for stored in api.open_sessions()] == [session.publisher]
            assert api.requests == [("POST", CREATE), ("DELETE", f"/session-storage/sessions/{session.id}")]
        else:
            with pytest.raises(error, match=said) as caught:
                async with client(api.url).open():
                    pass
            assert str(caught.value).isprintable()
            assert api.requests == [("POST", CREATE)]


async def test_retry_after_arrives():
    async with sandbox_api("rate-limit=7") as api:
        with pytest.raises(CloudBusy) as caught:
            async with client(api.url).open():
                pass
        assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("fault", ["slow-loris=0.02", "never-answer", "delay-create=30"])
async def test_slow_answers_are_bounded(fault):
    async with sandbox_api(fault) as api:
        with pytest.raises(CloudUnreachable, match="no complete answer within 0.1 s"):
            async with client(api.url, timeout_s=0.1).open():
                pass
        assert len(api.open_sessions()) == 1  # nobody told the client its id: left to lapse


async def test_a_whole_trickled_answer_is_an_answer():
    async with sandbox_api("slow-loris=0") as api, client(api.url).open() as session:
        assert session.id == api.open_sessions()[0].id


@pytest.mark.parametrize(
    ("fault", "asked", "rights"),
    [
        ("", False, "canPublish=True, canSubscribe=True, canPublishData=True"),
        ("no-publish", False, "canPublish=False, canSubscribe=True, canPublishData=True"),
        ("no-subscribe", True, "canPublish=True, canSubscribe=False, canPublishData=True"),
        ("no-data", False, "canPublish=True, canSubscribe=True, canPublishData=False"),
        ("subscribe-on-request", False, "canPublish=True, canSubscribe=False, canPublishData=True"),
        ("subscribe-on-request", True, "canPublish=True, canSubscribe=True, canPublishData=True"),
    ],
)
async def test_the_tokens_permissions_are_logged(fault, asked, rights, caplog):
    caplog.set_level("INFO")
    async with sandbox_api(*filter(None, [fault])) as api:
        async with client(api.url).open(publisher_can_subscribe=asked):
            assert caplog.messages == [f"session created; its token says {rights}"]


# --- the error schema: a problem that is right, one that breaks it ---

PROBLEM = {
    "type": "https://docs.palabra.ai/docs/error_codes#forbiddenresource",
    "status": 403,
    "title": "Forbidden resource",
    "detail": "Insufficient balance",
    "instance": CREATE,
    "error_code": 100050,
}
SCHEMA = {
    "type": (lambda value: isinstance(value, str) and 1 <= len(value) <= 2083, ["", "x" * 2084, 5]),
    "status": (lambda value: type(value) is int and 399 < value < 600, [399, 600, "403", None]),
    "title": (lambda value: isinstance(value, str) and len(value) >= 5, ["four", "", None]),
    "detail": (lambda value: isinstance(value, str) and len(value) >= 5, ["four", [], None]),
    "instance": (lambda value: isinstance(value, str) and len(value) >= 1, ["", {}]),
    "error_code": (lambda value: type(value) in (int, float), ["100050", None, True]),
}


def fits_schema(problem: dict) -> bool:
    return problem.keys() == SCHEMA.keys() and all(fits(problem[name]) for name, (fits, _) in SCHEMA.items())


def check_refusal(body: bytes, status: int) -> None:
    document = json.loads(body)
    assert document.keys() == {"ok", "errors"} and document["ok"] is False
    assert document["errors"]
    for problem in document["errors"]:
        assert fits_schema(problem), problem
        assert problem["status"] == status


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, broken) in SCHEMA.items() for value in [*broken, ...]]
)
def test_a_broken_problem_is_seen_by_the_schema_and_survived_by_the_client(name, value):
    broken = {**PROBLEM, name: value}
    if value is ...:
        del broken[name]
    assert fits_schema(PROBLEM) and not fits_schema(broken)
    (read,) = parse_problems(403, json.dumps({"errors": [broken]}).encode())
    assert read.status == 403 and read.title and read.detail
