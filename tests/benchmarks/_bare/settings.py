"""The product's settings with one more route."""

from aiwriter.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks._bare.urls"
