"""Turns files into normalised text, in a child process that cannot hurt the portal.

`guard` is the entrance for the host. Everything else here also runs in the child and therefore imports neither Django
nor the rest of the product: a child starts in a tenth of a second.
"""
