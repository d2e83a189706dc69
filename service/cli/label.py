"""`boothd label`."""

from __future__ import annotations

import argparse
import os
import sys

from service import settings
from service.cli import options as common
from service.core import label
from service.core.errors import BadSettings
from service.core.exit_codes import OK
from service.core.gestures import Button

HELP = "a card to print and hang beside the box, as SVG: what its lamps say and its buttons ask for"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)


def run(options: argparse.Namespace) -> int:
    """The card of the box of these settings; of any box, without its name and pairs, where they cannot be read."""
    try:
        card = _card(settings.load(options.config, environ=os.environ))
    except BadSettings as mistakes:
        print(f"boothd label: a card without name and language pairs, since {mistakes}", file=sys.stderr)
        card = label.svg()
    print(card, end="")
    return OK


def _card(loaded: settings.Settings) -> str:
    """With what is connected; with all there may be, where no pin is named."""
    lamps = [name for name, pin in loaded.lamps if name in label.LAMPS and pin is not None]
    buttons = [Button(name) for name, pin in loaded.buttons if pin is not None]
    return label.svg(
        name=loaded.box.name,
        pairs=[pair.name for pair in loaded.pair],
        lamps=lamps or label.LAMPS,
        language_lamps=len(loaded.lamps.languages) if lamps or loaded.lamps.languages else None,
        buttons=buttons or tuple(Button),
    )
