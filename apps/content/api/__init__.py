"""REST and event streams."""
