"""Rows 1 to 5: from a URL and a token to sound."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback

import pytest

from service.core.errors import LinkLost, TokenRefused
from service.room import link, signal_client, signalling
from service.sandbox.tokens import SigningKey
from tests.conformance import scripted
from tests.conformance.people import Ears, joined, speaker, until
from tests.conformance.servers import CURRENT, EMBEDDED, KEY, OLD
from tests.fakes.certificates import Authority


async def test_row_01_urls_of_every_form_lead_into_the_room(server):
    host = server.url.removeprefix("http://")
    forms = [f"{scheme}://{host}{end}" for scheme in ("http", "ws") for end in ("", "/")]
    if server.name == EMBEDDED:
        forms += [f"http://{host}/a/path", f"http://{host}/a/path/"]
    for url in forms:
        async with joined(server, "box", url=url) as box:
            assert box.identity == "box", url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://host", "wss://host/rtc"),
        ("https://host:444/", "wss://host:444/rtc"),
        ("wss://[::1]:7880/a/", "wss://[::1]:7880/a/rtc"),
        ("http://[fe80::1]/a", "ws://[fe80::1]/a/rtc"),
    ],
)
def test_row_01_urls_that_cannot_be_tried_here(base, url):
    assert signal_client.signal_url(base) == url


async def test_row_02_a_header_that_a_proxy_drops_is_followed_by_the_query(server, wire, caplog):
    caplog.set_level(logging.DEBUG)
    wire.drops_header = True
    async with joined(server, "box", url=wire.url) as box:
        assert box.identity == "box"
    first, second = wire.requests
    assert "access_token" not in first.query and first.headers["Authorization"].startswith("Bearer ")
    assert second.query["access_token"] and "Authorization" not in second.headers
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("service"))
    assert second.query["access_token"] not in ours


async def test_row_02_a_refused_token_is_in_no_error_and_no_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    token = server.token("box", valid_s=-600.0)
    with pytest.raises(TokenRefused) as caught:
        async with link.join(server.url, token, sink_for=Ears()):
            pass
    assert token not in "".join(traceback.format_exception(caught.value))
    assert token not in caplog.text


async def test_row_02_not_even_when_the_body_repeats_it(caplog):
    caplog.set_level(logging.DEBUG)
    token = ".".join("token")  # not in the source as it is sent, which a traceback quotes
    async with scripted.answering(401, body=f"invalid token: {token}") as (url, requests):
        with pytest.raises(TokenRefused) as caught:
            async with link.join(url, token, sink_for=Ears()):
                pass
    assert [request.query.get("access_token") for request in requests] == [None, token]
    assert token not in "".join(traceback.format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize("wrong", ["expired", "foreign", "nonsense"])
async def test_row_03_tokens_that_open_nothing(server, wrong):
    token = {
        "expired": server.token("box", valid_s=-600.0),
        "foreign": server.token("box", key=SigningKey(KEY.key, "another-secret-of-32-characters!!!")),
        "nonsense": "nonsense",
    }[wrong]
    with pytest.raises(TokenRefused):
        async with link.join(server.url, token, sink_for=Ears()):
            pass


@pytest.mark.parametrize(
    ("status", "validate", "error"),
    [(401, 401, TokenRefused), (403, 403, TokenRefused), (502, 401, TokenRefused)]
    + [(status, 200, LinkLost) for status in (404, 429, 500, 502, 503)],
)
async def test_row_03_statuses_in_their_class(status, validate, error):
    async with scripted.answering(status, validate=validate) as (url, _):
        with pytest.raises(error):
            async with link.join(url, "token", sink_for=Ears()):
                pass


async def test_row_03_nobody_there_no_such_name_no_tls(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with scripted.answering(404) as (plain, _):
            for url in (refused, "http://nowhere.invalid", plain.replace("http", "https")):
                with pytest.raises(LinkLost):
                    async with link.join(url, "token", sink_for=Ears()):
                        pass


async def test_row_03_an_unknown_authority(tmp_path):
    async with asyncio.timeout(10):
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=Authority(tmp_path).server()
        )
        async with server:
            with pytest.raises(LinkLost):
                url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                async with link.join(url, "token", sink_for=Ears()):
                    pass


async def test_row_03_a_server_that_accepts_and_says_nothing(monkeypatch):
    monkeypatch.setattr(signal_client, "OPEN_TIMEOUT_S", 0.1)
    writers = []
    server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    async with server:
        with pytest.raises(LinkLost):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with link.join(url, "token", sink_for=Ears()):
                pass
        for writer in writers:
            writer.close()


async def test_row_04_no_join_is_given_up_in_time(server, wire, monkeypatch):
    monkeypatch.setattr(signalling, "JOIN_TIMEOUT_S", 0.2)
    wire.down = lambda message: []
    with pytest.raises(LinkLost):
        async with joined(server, "box", url=wire.url):
            pass


@pytest.mark.parametrize("server", [EMBEDDED], indirect=True)
@pytest.mark.parametrize("fault", ["old-server", "early-offer"])
async def test_row_05_hears_and_is_heard_in_other_modes(server, fault):
    server.faults.add(fault)
    await _both_are_heard(server)


async def test_row_05_hears_and_is_heard(server):
    await _both_are_heard(server)


async def _both_are_heard(server):
    box_hears, cloud_hears = Ears(), Ears()
    async with (
        speaker(server, "cloud", "translation_es", "hola", ears=cloud_hears),
        speaker(server, "box", "microphone", "hello", ears=box_hears),
    ):
        await box_hears.hears("cloud", "translation_es", "hola")
        await cloud_hears.hears("box", "microphone", "hello")


async def test_row_05_the_real_servers_are_the_two_modes(server, wire):
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:
        await until(lambda: wire.sent("offer") and wire.sent("answer"), "both connections")
        version = wire.sent("join")[0].join.server_info.version
        ids = [message.offer.id for message in wire.sent("offer")]
        assert box.identity == "box"
    if server.is_real:
        assert version == server.name
        assert all(ids) == (server.name == CURRENT) and any(ids) != (server.name == OLD)
