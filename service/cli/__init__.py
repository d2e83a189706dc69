"""The verbs of `boothd`, each in a file of its own. What a verb needs is imported when it runs."""

from service.cli.command_line import main

__all__ = ["main"]
