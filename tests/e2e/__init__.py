"""A real browser against a real portal."""
