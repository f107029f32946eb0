"""A bad plugin: it raises SystemExit in the middle of a stream and in its health probe."""
