import json

import aiohttp
import pytest
from aiohttp import web

from service.sandbox.console import Console
from service.sandbox.faults import Faults
from service.sandbox.sessions import StoredSession
from tests.fakes.servers import serving

SESSION = StoredSession("id", "r", "api", "publisher-token", ("one", "two"), 1.0, 1.0, 2.0)


@pytest.fixture
async def desk():
    """Asks the console: method, path, body -> status, JSON."""
    faults = Faults()
    console = Console(faults=faults, status=lambda: {"interpreter": "phrases"})

    @web.middleware
    async def from_afar(request, handler):
        return await handler(request.clone(remote=request.headers.get("X-From", request.remote)))

    app = web.Application(middlewares=[from_afar])
    app.add_routes(console.routes())
    async with serving(app) as url, aiohttp.ClientSession() as http:

        async def ask(method: str, path: str, body: str | None = None, sender: str | None = None):
            headers = {"X-From": sender} if sender else {}
            async with http.request(method, f"{url}/sandbox/{path}", data=body, headers=headers) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if answer.content_type == "application/json" else text

        ask.console, ask.faults = console, faults
        yield ask


async def test_what_happened_and_to_which_sessions(desk):
    desk.console.created(SESSION)
    desk.console.note("joined", "r", "box")
    desk.console.charge("r", 1.5)
    desk.console.charge("r", 2.0)
    desk.console.charge("another", 1.0)
    desk.console.ended(SESSION)
    _, events = await desk("GET", "events")
    assert [(event["what"], event["room"], event["who"]) for event in events] == [
        ("created", "r", ""),
        ("joined", "r", "box"),
        ("deleted", "r", ""),
    ]
    known = {"id": "id", "room": "r", "intent": "api", "publisher": "publisher-token", "subscriber": ["one", "two"]}
    assert await desk("GET", "sessions") == (200, [{**known, "paid_s": 3.5, "ended": True}])
    assert await desk("GET", "status") == (200, {"interpreter": "phrases"})


async def test_only_the_latest_are_kept(desk):
    for number in range(1001):
        desk.console.note(f"{number}", "r")
    _, events = await desk("GET", "events")
    assert (len(events), events[0]["what"]) == (1000, "1")


async def test_faults_are_switched(desk):
    on = {"ready-delay": 2.0}
    assert await desk("POST", "faults", '{"name": "ready-delay", "value": 2}') == (200, on)
    assert await desk("POST", "faults", '{"name": "no-data"}') == (200, {**on, "no-data": ""})
    assert await desk("DELETE", "faults/ready-delay") == (200, {"no-data": ""})
    assert await desk("DELETE", "faults/ready-delay") == (200, {"no-data": ""})
    assert await desk("GET", "faults") == (200, {"no-data": ""})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"name": "no-such"}', "no fault is called 'no-such'"),
        ('{"name": "no-data", "value": 1}', "takes no value"),
        ('{"name": ["no-data"]}', "the body must be"),
        ("{}", "the body must be"),
        ("[]", "the body must be"),
        ("nonsense", "the body must be"),
    ],
)
async def test_a_wrong_wish_is_named(desk, body, said):
    status, answer = await desk("POST", "faults", body)
    assert status == 400 and said in answer["error"]
    assert (await desk("DELETE", "faults/no-such"))[0] == 404
    assert desk.faults.active() == {}


@pytest.mark.parametrize(
    ("sender", "status"),
    [("127.0.0.1", 200), ("127.1.2.3", 200), ("::1", 200), ("192.0.2.7", 403), ("2001:db8::1", 403)],
)
async def test_it_is_for_this_machine_only(desk, sender, status):
    for path in ("status", "events", "sessions", "faults"):
        assert (await desk("GET", path, sender=sender))[0] == status
    assert (await desk("POST", "faults", '{"name": "no-data"}', sender=sender))[0] == status
    assert (await desk("DELETE", "faults/no-data", sender=sender))[0] == status
