"""A bad plugin: it was written for a contract that does not exist yet."""
