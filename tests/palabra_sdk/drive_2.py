"""The vendor's SDK 2.2.1: `drive_2.py URL WAV TARGET...` streams a file and prints every event.

The key is in PALABRA_API_KEY, as this SDK has it; a region is its way to name a server.
"""

import asyncio
import sys

import told
from palabra_ai import REGIONS, Palabra, Region

STREAM = "/streaming-api/{random_hash}/v1/speech-to-speech/stream"


def sandbox_at(url: str) -> Palabra:
    REGIONS["sandbox"] = Region(translation=url.replace("http", "ws", 1) + STREAM)
    return Palabra(region="sandbox")


if __name__ == "__main__":
    url, wav, *targets = sys.argv[1:]
    asyncio.run(told.file(sandbox_at(url), wav, tuple(targets)))
