"""Sound over the management socket of a running sandbox: no room, no WebRTC, as the vendor's SDKs have it."""

import asyncio
import base64
import json
import zlib

import aiohttp
import numpy as np
import pytest

from service.sandbox.resample import resample
from tests.fakes.sandbox import sandbox
from tests.fakes.speech import needs_espeak, sentences, silence

pytestmark = pytest.mark.slow

CHUNK_S = 0.32
TASK = {
    "input_stream": {
        "content_type": "audio",
        "source": {"type": "ws", "format": "pcm_s16le", "sample_rate": 16_000, "channels": 2},
    },
    "output_stream": {"content_type": "audio", "target": {"type": "ws", "format": "zlib_pcm_s16le"}},
    "pipeline": {"transcription": {"source_language": "en"}, "translations": [{"target_language": "fr"}]},
}


class Client:
    """One socket: what came over it by type, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.came: list[tuple[str, dict]] = []

    async def tell(self, kind: str, data: object) -> None:
        await self.socket.send_str(json.dumps({"message_type": kind, "data": data}))

    async def until(self, *kinds: str) -> dict:
        """The data of the next message of one of these types."""
        async with asyncio.timeout(15):
            while True:
                message = await self.socket.receive_json()
                self.came.append((message.get("message_type", ""), message.get("data", {})))
                if self.came[-1][0] in kinds:
                    return self.came[-1][1]

    async def ready(self) -> None:
        await self.tell("set_task", TASK)
        assert (await self.until("task_status", "error"))["event"] == "started"

    async def send(self, pcm: bytes) -> None:
        """At its own pace, 16 kHz in two channels."""
        mono = np.frombuffer(resample(pcm, from_hz=48_000, to_hz=16_000), "<i2")
        stereo = np.repeat(mono, 2).tobytes()
        size = round(CHUNK_S * 16_000) * 4
        for at in range(0, len(stereo), size):
            await self.tell("input_audio_data", {"data": base64.b64encode(stereo[at : at + size]).decode()})
            await asyncio.sleep(CHUNK_S)


@needs_espeak
async def test_a_phrase_goes_in_and_its_translation_comes_out():
    async with sandbox() as server:
        session = await server.create()
        async with server.manage(session) as socket:
            client = Client(socket)
            await client.ready()
            sending = asyncio.ensure_future(client.send(silence(0.3) + sentences()[0] + silence(1.3)))
            speech = b""
            while True:
                piece = await client.until("output_audio_data", "error")
                speech += zlib.decompress(base64.b64decode(piece["data"]))
                if piece["last_chunk"]:
                    break
            await sending
            await client.tell("end_task", {})
            await client.until("end_of_stream")
            assert (await socket.receive()).data == 1000
        texts = [(kind, data["transcription"]) for kind, data in client.came if kind.endswith("ed_transcription")]
        (_, heard), (_, said) = texts
        assert (heard["text"], said["text"]) == ("welcome to the conference", "Bienvenue à la conférence.")
        assert (piece["language"], piece["transcription_id"]) == ("fr", heard["transcription_id"])
        assert 0.8 < len(speech) / 48_000 < 4.0
        assert np.sqrt(np.mean(np.frombuffer(speech, "<i2").astype(float) ** 2)) > 300
        assert (await server.get("/sandbox/status"))["sessions"] == 1, "kept while the socket was open"
        assert not any(what == "input_audio_data" for what, _ in await server.happened())


async def test_a_dead_socket_ends_its_task():
    async with sandbox() as server:
        session = await server.create()
        async with server.manage(session) as socket:
            await Client(socket).ready()
            socket._response.connection.transport.abort()
        async with server.manage(session) as socket:
            client = Client(socket)
            await client.tell("get_task", {})
            assert (await client.until("error", "current_task"))["code"] == "NOT_FOUND"
