"""Clients that we did not write, in the sandbox's embedded room."""
