"""Hangs: as if it asked a server that does not answer."""

import time

time.sleep(3600)
descriptor = None
