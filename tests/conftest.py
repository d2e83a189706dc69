"""Asyncio debug is on in every test run; pytest turns its warnings into errors."""

import os

os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
