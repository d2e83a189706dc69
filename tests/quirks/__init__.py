"""The open questions of palabra-api 8, one story per row."""
