"""What the seed's own contract (tests/cloud/test_seed_contract.py) leaves open: list, show, expiry, credentials."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.fakes.cloud import API_KEY, PAIR, sandbox_api


@asynccontextmanager
async def calling(*faults: str, headers: dict[str, str] | None = None):
    async with sandbox_api(*faults) as api, aiohttp.ClientSession(headers=headers or PAIR.headers()) as http:

        async def call(method: str, path: str, **options):
            async with http.request(method, f"{api.url}/session-storage/{path}", **options) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if text else None

        api.call = call
        yield api


async def test_list_show_delete():
    async with calling() as api:
        assert await api.call("GET", "sessions") == (200, {"data": [], "next_page_token": None})
        _, created = await api.call("POST", "session", json={"data": {}})
        session_id = created["data"]["id"]
        row = {
            "id": session_id,
            "created_at": "2027-01-15T08:00:00+00:00",
            "updated_at": "2027-01-15T08:00:00+00:00",
            "expires_at": "2027-01-15T08:05:00+00:00",
        }
        assert await api.call("GET", "sessions") == (200, {"data": [row], "next_page_token": None})
        assert await api.call("GET", f"sessions/{session_id}") == (200, {"data": row})
        assert await api.call("DELETE", f"sessions/{session_id}") == (204, None)
        for method in ("DELETE", "GET", "POST"):
            status, refusal = await api.call(method, f"sessions/{session_id}")
            assert (status, refusal["errors"][0]["status"]) == (404, 404)
        assert [session.id for session in api.ended] == [session_id]


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("?ttl_seconds=1000", None, 204),
        ("", {"data": {"ttl_seconds": 1000}}, 204),
        ("", None, 400),
        ("?ttl_seconds=0", None, 400),
        ("?ttl_seconds=-5", None, 400),
        ("?ttl_seconds=1e3", None, 400),
        ("?ttl_seconds=" + "9" * 5000, None, 400),
        ("", {"data": {"ttl_seconds": "1000"}}, 400),
        ("", {"data": {"ttl_seconds": True}}, 400),
    ],
)
async def test_expiry(query, body, status):
    async with calling() as api:
        _, created = await api.call("POST", "session", json={"data": {}})
        session_id = created["data"]["id"]
        answer, _ = await api.call("POST", f"sessions/{session_id}{query}", json=body)
        assert answer == status
        api.now_s += 999
        assert bool(api.open_sessions()) == (status == 204)
        api.now_s += 1
        assert not api.open_sessions()


async def test_the_eleventh_session_is_refused():
    async with calling() as api:
        for _ in range(10):
            assert (await api.call("POST", "session", json={"data": {}}))[0] == 201
        status, refusal = await api.call("POST", "session", json={"data": {}})
        assert (status, refusal["errors"][0]["detail"]) == (429, "The limit of parallel sessions is reached.")


BOTH = {**PAIR.headers(), **API_KEY.headers()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (PAIR.headers(), 200),
        (API_KEY.headers(), 200),
        ({"clientid": PAIR.client_id, "CLIENTSECRET": PAIR.client_secret}, 200),
        (BOTH, 401),
        ({"X-None": "at all"}, 401),
        ({"ClientId": PAIR.client_id}, 401),
        ({"ClientSecret": PAIR.client_secret}, 401),
        ({**PAIR.headers(), "ClientSecret": "wrong"}, 401),
        ({**PAIR.headers(), "ClientId": "wrong"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {API_KEY.key}"}, 401),
        ({"Authorization": "Bearer \udcff"}, 401),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "sessions"), ("GET", "sessions/x"), ("DELETE", "sessions/x")])
async def test_credentials_are_asked_for_everywhere(headers, status, method, path):
    async with calling(headers=headers) as api:
        answer, refusal = await api.call(method, path)
        assert (answer == 401) == (status == 401)
        if status == 401:
            assert refusal["errors"][0]["title"] == "Unauthorized"
