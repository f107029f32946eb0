"""`python -m aw_deployd`."""

from aw_deployd.cli import main

raise SystemExit(main())
