"""Sound devices and files, one thread per direction, and the Opus codec."""
