"""Local control: one aiohttp application on a Unix socket."""
