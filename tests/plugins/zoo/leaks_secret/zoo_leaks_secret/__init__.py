"""A bad plugin: it tells the key in exceptions, causes and log lines."""
