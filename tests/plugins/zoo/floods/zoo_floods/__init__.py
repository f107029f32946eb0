"""A bad plugin: it sends text without end as fast as it can."""
