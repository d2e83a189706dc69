"""The LiveKit room: signalling, the two peer connections, tracks and data."""
