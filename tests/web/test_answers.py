"""What goes over the socket, seen by aiohttp's own client."""

import asyncio
import json
import threading
from typing import Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import Field

from service.web.answers import Body, Refused, Unavailable, command, current, looked_up, stream
from service.web.server import application


class Order(Body):
    size: float = Field(ge=1, le=3, allow_inf_nan=False)
    side: Literal["left", "right"] = "left"


class World:
    """Counts; refuses when told to; keeps the orders."""

    def __init__(self) -> None:
        self.count = 0
        self.refusal: Refused | None = None
        self.orders: list[Order] = []

    def picture(self) -> dict[str, object]:
        if self.refusal is not None:
            raise self.refusal
        self.count += 1
        return {"count": self.count, "thread": threading.current_thread() is threading.main_thread()}

    def obey(self, order: Order) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.orders.append(order)


@pytest.fixture
async def world():
    yield World()


@pytest.fixture
async def client(world):
    routes = [
        web.get("/current", current(world.picture)),
        web.get("/looked-up", looked_up(world.picture)),
        web.get("/stream", stream(world.picture, every_s=0.001)),
        web.post("/order", command(Order, world.obey)),
    ]
    async with TestClient(TestServer(application(routes))) as one:
        yield one


async def test_a_picture_is_that_of_now(client):
    assert [(await (await client.get("/current")).json())["count"] for _ in range(2)] == [1, 2]


async def test_what_takes_its_time_is_looked_up_beside_the_event_loop(client):
    assert (await (await client.get("/current")).json())["thread"]
    assert not (await (await client.get("/looked-up")).json())["thread"]


async def test_a_stream_is_server_sent_events(client):
    async with client.get("/stream") as response:
        assert response.content_type == "text/event-stream"
        lines = [await response.content.readline() for _ in range(6)]
    assert [json.loads(line.removeprefix(b"data: "))["count"] for line in lines[::2]] == [1, 2, 3]
    assert lines[1::2] == [b"\n"] * 3


async def test_a_stream_ends_with_its_reader(client, world):
    async with client.get("/stream") as response:
        await response.content.readline()
    before = -1
    while before != world.count:  # the server hears of it a moment later
        before = world.count
        await asyncio.sleep(0.02)


async def test_a_command_is_obeyed_and_told_back_with_its_defaults(client, world):
    answer = await client.post("/order", json={"size": 2})
    assert (answer.status, await answer.json()) == (200, {"size": 2.0, "side": "left"})
    assert world.orders == [Order(size=2)]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"size": 0.5}', "size: Input should be greater than or equal to 1"),
        ('{"size": "2"}', "size: Input should be a valid number"),
        ('{"size": NaN}', "size: Input should be a finite number"),
        ('{"size": 1, "side": "up"}', "side: Input should be 'left' or 'right'"),
        ('{"size": 1, "weight": 1}', "weight: Extra inputs are not permitted"),
        ("{}", "size: Field required"),
        ("[]", "Input should be an object"),
        ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
    ],
)
async def test_a_wrong_body_is_refused_with_one_sentence_that_names_the_field(client, world, body, error):
    answer = await client.post("/order", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, await answer.json(), world.orders) == (400, {"error": error}, [])


async def test_what_a_page_of_another_origin_can_send_is_no_command(client, world):
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await client.post("/order", data='{"size": 2}', headers={"Content-Type": content_type})
        assert answer.status == 415 and "application/json" in (await answer.json())["error"]
    assert world.orders == []


@pytest.mark.parametrize(("kind", "status"), [(Refused, 409), (Unavailable, 503)])
async def test_a_refusal_is_one_sentence(client, world, kind, status):
    world.refusal = kind("not now")
    for answer in (await client.get("/stream"), await client.post("/order", json={"size": 1})):
        assert (answer.status, await answer.json()) == (status, {"error": "not now"})


async def test_what_is_not_there_is_told_as_json_too(client):
    unknown, unfit = await client.get("/v2"), await client.get("/order")
    assert (unknown.status, await unknown.json()) == (404, {"error": "GET /v2: Not Found"})
    assert (unfit.status, await unfit.json()) == (405, {"error": "GET /order: Method Not Allowed"})


async def test_a_body_without_end_is_not_read_to_its_end(client):
    answer = await client.post("/order", data=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert answer.status == 413 and "error" in await answer.json()
