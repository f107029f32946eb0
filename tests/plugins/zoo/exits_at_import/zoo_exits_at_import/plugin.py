"""Exits."""

import sys

sys.exit("this plugin needs a licence")
