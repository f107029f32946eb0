"""Settings of the test run: the product's own, in a folder of their own, with three things made fast.

pytest-django imports the settings before any conftest, so the environment is prepared here. Sub-processes that tests
start (`manage.py`, workers) inherit it.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_folder = Path(tempfile.mkdtemp(prefix="aiwriter-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("AIWRITER_")]:
    del os.environ[_name]
os.environ["AIWRITER_DATA_DIR"] = str(_folder)
os.environ["AIWRITER_SECRET_KEY"] = "tests-only-" + "0123456789abcdef" * 4
os.environ["AIWRITER_LOG_LEVEL"] = "WARNING"

from aiwriter.settings import *  # noqa: E402, F403
from aiwriter.settings import DATA_DIR, DATABASES, REDIS_URL, STORAGES  # noqa: E402

# A file, not memory: threads and sub-processes see the same database, in WAL mode as in production.
if DATABASES["default"]["ENGINE"] == "aiwriter.core.sqlite":
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "tests.sqlite3")}
else:
    if _migrated := os.environ.get("TESTS_MIGRATED"):
        DATABASES["default"]["TEST"] = {"TEMPLATE": _migrated}
    else:
        # A pool keeps connections open that would block dropping the test database; here that goes with its server.
        DATABASES["default"]["OPTIONS"].pop("pool", None)
# Argon2 takes 50 ms a person and a test has up to six; hashing itself is tested with the product's hasher.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "apps.users.services.hashing.TunedArgon2PasswordHasher",
]
# The manifest exists only after collectstatic.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Messages are really sent, and wait in memory until a test runs them with `run_jobs`.
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {"polling_interval": 0.01}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# WhiteNoise warns about a folder that is not there.
(DATA_DIR / "static").mkdir(exist_ok=True)
# Whether something is paused is read each two seconds, which would fall into the counted queries of some test.
PAUSE_STATE = "aiwriter.core.pauses.Pauses"
# A database of the server for each worker: what one counts at the door must not close it for another's people.
if REDIS_URL and (_worker := os.environ.get("PYTEST_XDIST_WORKER", "")).startswith("gw"):
    REDIS_URL = f"{REDIS_URL.rpartition('/')[0]}/{int(_worker[2:]) % 16}"
# Counts of used capabilities are written when a test says so: a batch would fall into the counted queries of some test.
USES_WRITTEN_EVERY = float("inf")
