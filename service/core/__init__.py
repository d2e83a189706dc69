"""Pure: the standard library only, no I/O, clock, thread, randomness or log."""
