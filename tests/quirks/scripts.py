"""What the vendor is told to answer, and boxes that meet it or a sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.quirks.running import Box, Stage, Vendor

SESSION = {
    "publisher": "$publisher",
    "subscriber": [],
    "webrtc_room_name": "$room_name",
    "webrtc_url": "$webrtc_url",
    "ws_url": "$ws_url",
    "intent": "api",
    "id": "$id",
}
RELAYED = SESSION | {"webrtc_url": "http:$relay/livekit/"}


def created(body: object, status: int = 201) -> dict[str, Any]:
    """A session is created, and this is the answer's body."""
    return {"status": status, "body": body}


def enveloped(session: object) -> dict[str, Any]:
    """The answer of today."""
    return created({"ok": True, "data": session})


def refused(status: int, detail: str, code: int = 0, **headers: str) -> dict[str, Any]:
    """A refusal in the seed's schema."""
    problem = {
        "type": "https://docs.palabra.ai/docs/error_codes#refused",
        "status": status,
        "title": "Refused",
        "detail": detail,
        "instance": "/session-storage/session",
        "error_code": code,
    }
    return {"status": status, "body": {"ok": False, "errors": [problem]}, "headers": headers}


def told(kind: str, **data: Any) -> dict[str, Any]:
    """A management message."""
    return {"message_type": kind, "data": data}


STARTED = told("task_status", command="set_task", event="started", task_status="running")
ECHO = {"message_type": "current_task", "data": "$task"}
NOT_FOUND = told("error", code="NOT_FOUND", desc="No active task found", param=None)
END_OF_STREAM = told("end_of_stream")
ACKNOWLEDGED = {"set_task": [[STARTED]], "get_task": [[ECHO]]}


def pair(name: str, targets: Sequence[str], options: str = "", source: str = "en") -> str:
    """One choice of the LANG button."""
    listed = ", ".join(f'"{target}"' for target in targets)
    return f'[[pair]]\nname = "{name}"\nsource = "{source}"\ntargets = [{listed}]\n{options}\n'


ES = pair("ES", ["es"])


@asynccontextmanager
async def at_vendor(
    stage: Stage,
    *answers: dict[str, Any],
    replies: dict[str, Any] = ACKNOWLEDGED,
    interpreter: bool = False,
    key: bool = False,
    socket: int = 101,
    delete: int = 204,
    room: dict[str, Any] | None = None,
    pairs: str = ES,
    **box: Any,
) -> AsyncIterator[tuple[Box, Vendor]]:
    """A box whose cloud is the vendor."""
    vendor = stage.vendor()
    await vendor.script(
        rooms=await (stage.sandbox() if interpreter else stage.sandbox("no-interpreter")),
        answers=answers or (enveloped(SESSION),),
        delete=delete,
        socket=socket,
        replies=replies,
        room=room or {},
    )
    credentials = {"client_id": vendor.client, "client_secret": f"secret-of-{vendor.client}"}
    async with stage.box(vendor.url, {"api_key": vendor.client} if key else credentials, pairs=pairs, **box) as one:
        yield one, vendor


@asynccontextmanager
async def at_sandbox(stage: Stage, *faults: str, pairs: str = ES, **box: Any) -> AsyncIterator[tuple[Box, str]]:
    """A box whose cloud is a sandbox with these faults, and the sandbox's URL."""
    cloud = await stage.sandbox(*faults)
    credentials = {name: cloud[name] for name in ("client_id", "client_secret")}
    async with stage.box(cloud["url"], credentials, pairs=pairs, **box) as one:
        yield one, cloud["url"]
