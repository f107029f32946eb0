"""A bad plugin: its entry point leads to a dict."""
