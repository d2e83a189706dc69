"""The vendor's SDK 1.0.1: `drive_1.py URL WAV TARGET...` streams a file and prints every event.

Credentials are in PALABRA_CLIENT_ID and PALABRA_CLIENT_SECRET, as this SDK has them.
"""

import asyncio
import sys

import told
from palabra_ai import Palabra

if __name__ == "__main__":
    url, wav, *targets = sys.argv[1:]
    asyncio.run(told.file(Palabra(api_url=url), wav, tuple(targets)))
