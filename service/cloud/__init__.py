"""Palabra's REST API and its management WebSocket."""
