"""What an SDK's session tells, as JSON: shared by the drivers, which run in the SDK's own environment."""

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
