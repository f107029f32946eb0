"""A bad plugin: its calls never end, and it swallows being cancelled."""
