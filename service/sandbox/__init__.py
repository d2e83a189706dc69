"""Our own small Palabra, always a process of its own."""
