"""What any room server and our client must do for each other (livekit-signalling 8)."""
