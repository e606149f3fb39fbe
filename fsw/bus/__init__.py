"""Serial lines: ports, whose turn it is, and the dialects spoken."""
