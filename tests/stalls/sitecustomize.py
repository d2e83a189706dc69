"""Imported by Python when it starts, where this folder is on PYTHONPATH."""

import os

if os.environ.get("STALLS"):
    import stalls

    stalls.install(os.environ["STALLS"])
