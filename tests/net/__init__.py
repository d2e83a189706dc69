"""A network that can be told to fail, between any client and any LiveKit server."""
