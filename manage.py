#!/usr/bin/env python
"""Django's command line for AI-Writer."""

import gc
import os
import sys

from aiwriter.core.priority import give_way, is_patient


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")
    # `CoreConfig.ready` says why, and turns it on again.
    gc.disable()
    # From the first import on: loading Django takes seconds of a core.
    if is_patient(sys.argv[1:]):
        give_way()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
