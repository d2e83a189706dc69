"""A second Palabra, as a process of its own: scripted, and made of nothing but aiohttp.

It has no room of its own: each session is created at a sandbox behind it, and given out as the script wants it. There
is one script per client (client id or API key), set by PUT /script/CLIENT:

    rooms    {url, client_id, client_secret} of the sandbox
    answers  one per creation, the last again and again: {status, body, headers}. In a body the strings $publisher,
             $room_name, $webrtc_url, $ws_url and $id stand for what the sandbox gave; $opaque is a token that is no
             JWT, $relay/PATH a room URL of ours, under which the signalling is passed on
    delete   the status that answers a DELETE
    socket   the status that answers a management socket's upgrade, 101 to accept it
    replies  {command: [messages…]}, one list per time it is heard, the last again and again; $task in a message
             stands for the data of the last set_task
    room     of the relay: {refuse: so many sessions' tokens are refused, join: hex that is appended to the join
             response, after: hex of one more frame}

GET /seen/CLIENT lists what the client did; POST /say/CLIENT sends {messages} to its management socket, then closes it
with {close}; POST /hang-up/CLIENT closes its relayed signalling.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web


@dataclass
class Client:
    """One client's script, what it did, and what it has open."""

    script: dict[str, Any]
    seen: list[dict[str, Any]] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)
    created: int = 0
    task: Any = None
    session_id: str = ""  # as the sandbox has it
    socket: web.WebSocketResponse | None = None
    relayed: web.WebSocketResponse | None = None

    def note(self, what: str, **more: Any) -> None:
        """Remember what the client did."""
        self.seen.append({"what": what, "at_s": time.monotonic(), **more})


@dataclass
class Session:
    """What the sandbox gave, and whether the relay lets its token in."""

    client: Client
    token: str
    webrtc_url: str
    refused: bool


class Vendor:
    """All clients and their sessions."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._sessions: dict[str, Session] = {}  # by every token that was given out
        self._http: aiohttp.ClientSession

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.add_routes(
            [
                web.put("/script/{client}", self._put_script),
                web.get("/seen/{client}", self._get_seen),
                web.post("/say/{client}", self._say),
                web.post("/hang-up/{client}", self._hang_up),
                web.post("/session-storage/session", self._create),
                web.delete("/session-storage/sessions/{id}", self._delete),
                web.get("/streaming-api/{tail:.*}", self._socket),
                web.get("/{prefix:.*}/rtc", self._relay),
                web.get("/{prefix:.*}/rtc/validate", self._validate),
            ]
        )
        app.cleanup_ctx.append(self._client_session)
        return app

    async def _client_session(self, _: web.Application):
        async with aiohttp.ClientSession() as self._http:
            yield

    # -- the test's side ----------------------------------------------------------------------------------------

    async def _put_script(self, request: web.Request) -> web.Response:
        name, script = request.match_info["client"], await request.json()
        if name in self._clients:
            self._clients[name].script = script
        else:
            self._clients[name] = Client(script)
        return web.Response()

    async def _get_seen(self, request: web.Request) -> web.Response:
        return web.json_response(self._clients[request.match_info["client"]].seen)

    async def _say(self, request: web.Request) -> web.Response:
        client, wish = self._clients[request.match_info["client"]], await request.json()
        assert client.socket is not None
        for message in wish.get("messages", ()):
            await client.socket.send_json(message)
        if "close" in wish:
            await client.socket.close(code=wish["close"])
        return web.Response()

    async def _hang_up(self, request: web.Request) -> web.Response:
        relayed = self._clients[request.match_info["client"]].relayed
        assert relayed is not None
        await relayed.close()
        return web.Response()

    # -- sessions -----------------------------------------------------------------------------------------------

    def _asking(self, request: web.Request) -> Client:
        name = request.headers.get("ClientId") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self._clients[name]

    async def _create(self, request: web.Request) -> web.Response:
        client = self._asking(request)
        given = [name for name in ("ClientId", "ClientSecret", "Authorization") if name in request.headers]
        client.note("create", credentials=given, body=await request.json())
        answers = client.script["answers"]
        answer = answers[min(client.created, len(answers) - 1)]
        client.created += 1
        fields = await self._session(client, request.host) if answer["status"] < 300 else {}
        return web.json_response(
            _filled(answer["body"], fields), status=answer["status"], headers=answer.get("headers")
        )

    async def _session(self, client: Client, host: str) -> dict[str, str]:
        """A session of the sandbox, known here by its own token and by an opaque one."""
        rooms = client.script["rooms"]
        headers = {"ClientId": rooms["client_id"], "ClientSecret": rooms["client_secret"]}
        async with self._http.post(
            f"{rooms['url']}/session-storage/session", json={"data": {}}, headers=headers
        ) as answer:
            data = (await answer.json())["data"]
        client.session_id = data["id"]
        opaque = secrets.token_urlsafe(24)
        refused = client.created <= client.script["room"].get("refuse", 0)
        session = Session(client, data["publisher"], data["webrtc_url"], refused)
        self._sessions |= {data["publisher"]: session, opaque: session}
        return {
            "publisher": data["publisher"],
            "room_name": data["webrtc_room_name"],
            "webrtc_url": data["webrtc_url"],
            "ws_url": f"ws://{host}/streaming-api/{secrets.token_hex(4)}/v1/speech-to-speech/stream",
            "id": data["id"],
            "opaque": opaque,
            "relay": f"//{host}",
        }

    async def _delete(self, request: web.Request) -> web.Response:
        client = self._asking(request)
        client.note("delete", id=request.match_info["id"])
        rooms = client.script["rooms"]
        headers = {"ClientId": rooms["client_id"], "ClientSecret": rooms["client_secret"]}
        async with self._http.delete(f"{rooms['url']}/session-storage/sessions/{client.session_id}", headers=headers):
            return web.Response(status=client.script["delete"])

    # -- the management socket ----------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions.get(request.query.get("token", ""))
        if session is None:
            return web.Response(status=403)
        client = session.client
        client.note("socket")
        if client.script["socket"] != 101:
            return web.Response(status=client.script["socket"])
        socket = client.socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            command = json.loads(message.data)
            kind = command["message_type"]
            client.note(kind, data=command["data"])
            if kind == "set_task":
                client.task = command["data"]
            count = client.heard[kind] = client.heard.get(kind, 0) + 1
            replies = client.script["replies"].get(kind) or [[]]
            for reply in replies[min(count, len(replies)) - 1]:
                await socket.send_json(_filled(reply, {"task": client.task}))
        client.note("socket closed")
        return socket

    # -- the relayed room ---------------------------------------------------------------------------------------

    def _guest(self, request: web.Request) -> Session | None:
        return self._sessions.get(_token(request))

    async def _validate(self, request: web.Request) -> web.Response:
        session = self._guest(request)
        return web.Response(status=401 if session is None or session.refused else 200)

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        session = self._guest(request)
        if session is None:
            return web.Response(status=401)
        session.client.note("join", path=request.path, query=request.query_string, token=_token(request))
        if session.refused:
            return web.Response(status=401)
        relayed = session.client.relayed = web.WebSocketResponse()
        await relayed.prepare(request)
        headers = {"Authorization": f"Bearer {session.token}"}
        query = request.query_string
        async with self._http.ws_connect(f"{session.webrtc_url}rtc?{query}", headers=headers) as far:
            changes = session.client.script["room"]
            join = await far.receive_bytes()
            await relayed.send_bytes(join + bytes.fromhex(changes.get("join", "")))
            if "after" in changes:
                await relayed.send_bytes(bytes.fromhex(changes["after"]))
            ways = [asyncio.ensure_future(_pump(relayed, far)), asyncio.ensure_future(_pump(far, relayed))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        session.client.note("left")
        await relayed.close()
        return relayed


def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    return header.removeprefix("Bearer ") or request.query.get("access_token", "")


async def _pump(source: Any, sink: Any) -> None:
    async for message in source:
        await sink.send_bytes(message.data)


def _filled(template: Any, fields: dict[str, Any]) -> Any:
    """The template with its $names replaced, a whole string or the start of one."""
    if isinstance(template, dict):
        return {key: _filled(value, fields) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, fields) for value in template]
    if isinstance(template, str):
        for name, value in fields.items():
            if template == f"${name}":
                return value
            template = template.replace(f"${name}/", f"{value}/")
    return template


async def main() -> None:
    """Serve on a free port until killed or the end of standard input; the first line of output is the URL."""
    runner = web.AppRunner(Vendor().app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
