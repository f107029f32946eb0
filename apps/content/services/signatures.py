"""Signatures of webhooks; they are made in the kernel, because alerts are signed alike."""

from aiwriter.core.signatures import PREFIX, new_secret, sign

__all__ = ["PREFIX", "new_secret", "sign"]
