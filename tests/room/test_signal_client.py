import pytest
from aiohttp import web

from service.core.errors import LinkLost, TokenRefused
from service.room.signal_client import connect, signal_url, validate_url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://host/livekit/", "wss://host/livekit/rtc"),
        ("https://host/livekit", "wss://host/livekit/rtc"),
        ("http://host", "ws://host/rtc"),
        ("ws://host:7880/", "ws://host:7880/rtc"),
        ("wss://[::1]:7880//", "wss://[::1]:7880/rtc"),
    ],
)
def test_urls(base, url):
    assert signal_url(base) == url


def test_validate_url():
    assert validate_url("wss://host/livekit/") == "https://host/livekit/rtc/validate"
    assert validate_url("http://host") == "http://host/rtc/validate"


async def refusing(status: int, *, validate: int = 200) -> tuple[web.AppRunner, str, list[web.Request]]:
    seen: list[web.Request] = []

    async def rtc(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(status=status, text="the token eyJsecret is bad")

    async def valid(_: web.Request) -> web.Response:
        return web.Response(status=validate, text="eyJsecret")

    app = web.Application()
    app.add_routes([web.get("/rtc", rtc), web.get("/rtc/validate", valid)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}", seen


@pytest.mark.parametrize(
    ("status", "validate", "error"),
    [
        (401, 200, TokenRefused),
        (403, 200, TokenRefused),
        (500, 200, LinkLost),
        (503, 200, LinkLost),
        (404, 200, LinkLost),
    ]
    + [(400, 401, TokenRefused)],
)
async def test_refusals_are_sorted_and_never_repeat_the_body_or_the_token(status, validate, error):
    runner, url, seen = await refusing(status, validate=validate)
    with pytest.raises(error) as caught:
        async with connect(url, "eyJsecret"):
            pass
    assert "eyJ" not in repr(caught.value) and caught.value.__cause__ is None
    if status == 401:
        # The header first, then once in the query, for proxies that drop the header.
        assert [("access_token" in request.query) for request in seen] == [False, True]
    await runner.cleanup()


async def test_nobody_there_is_a_lost_link():
    with pytest.raises(LinkLost, match="cannot be reached"):
        async with connect("http://127.0.0.1:9", "eyJsecret"):
            pass
