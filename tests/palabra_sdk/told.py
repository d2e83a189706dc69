"""What an SDK's session tells, as JSON: shared by the drivers, which run in the SDK's own environment."""

import asyncio
import base64
import dataclasses
import json
from typing import Any


def show(event: Any) -> None:
    """One event as one line on standard output: its class, and its fields with sound in base64."""
    fields = dataclasses.asdict(event)
    if "pcm" in fields:
        fields["pcm"] = base64.b64encode(fields["pcm"]).decode()
    print(json.dumps({"class": type(event).__name__, **fields}), flush=True)


async def file(palabra: Any, wav: str, targets: tuple[str, ...]) -> None:
    """Stream a file in English and print every event until the session ends; both generations do it alike."""
    async with palabra.translation("en", targets) as session:
        sending = asyncio.create_task(session.send_file(wav))
        async for event in session:
            show(event)
        await sending
