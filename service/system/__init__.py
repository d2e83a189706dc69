"""systemd: notifications and the journal."""
