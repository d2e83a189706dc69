"""The vendor's SDK 1.0.1: `drive_1.py URL WAV TARGET...` streams a file and prints every event.

Credentials are in PALABRA_CLIENT_ID and PALABRA_CLIENT_SECRET, as this SDK has them.
"""

import asyncio
import sys

import told
from palabra_ai import Palabra


async def main(url: str, wav: str, *targets: str) -> None:
    palabra = Palabra(api_url=url)
    async with palabra.translation("en", targets) as session:
        sending = asyncio.create_task(session.send_file(wav))
        async for event in session:
            told.show(event)
        await sending


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
