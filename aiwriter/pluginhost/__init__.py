"""Finds, checks and calls plugins. It keeps no tables; which of them is used is decided in `apps.backends`.

Plugins run inside the portal's processes and with its rights. What stands here protects from mistakes: a plugin that
cannot be imported, hangs, floods or lets a secret out must not take the portal with it. It cannot protect from malice.
"""
