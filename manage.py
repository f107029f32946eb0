#!/usr/bin/env python
"""Django's command line for AI-Writer."""

import gc
import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")
    # `CoreConfig.ready` says why, and turns it on again.
    gc.disable()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
