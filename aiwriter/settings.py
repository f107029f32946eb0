"""Settings: one module for every environment; what differs comes from the variables of `aiwriter/env.py`."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF

from aiwriter import __version__

# Every process needs the Celery application, the web one too: without it `current_app` is Celery's own default, and each
# message waits in vain for RabbitMQ on localhost.
from aiwriter import celery as celery_application  # noqa: F401
from aiwriter import env as environment
from aiwriter.core import direct, redis_addresses
from aiwriter.core.logs import logging_settings
from aiwriter.parts import *  # noqa: F403 - every name there is a setting

BASE_DIR = environment.BASE_DIR
ENV = environment.load()
VERSION = __version__
ENVIRONMENT = ENV["AIWRITER_ENVIRONMENT"]
DEBUG = ENV["AIWRITER_DEBUG"]
DATA_DIR = Path(ENV["AIWRITER_DATA_DIR"])
SECRET_KEY = environment.secret_key(ENV)

HOST, PORT = ENV["AIWRITER_HOST"], ENV["AIWRITER_PORT"]
PUBLIC_URL = ENV["AIWRITER_PUBLIC_URL"] or f"http://{HOST}:{PORT}"
# Whether others than the machine's own users can come: then a password alone is little.
REACHABLE = bool(ENV["AIWRITER_PUBLIC_URL"]) or HOST not in ("localhost", "127.0.0.1", "::1")
ALLOWED_HOSTS = ENV["AIWRITER_ALLOWED_HOSTS"] or ["localhost", "127.0.0.1", "[::1]", HOST]
if ENV["AIWRITER_PUBLIC_URL"]:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, str(urlsplit(PUBLIC_URL).hostname)]
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = ENV["AIWRITER_TRUSTED_PROXIES"]

# ---------------------------------------------------------------- applications
INSTALLED_APPS = [
    "aiwriter.core",
    "apps.users",
    "apps.monitoring",
    "apps.backends",
    "apps.content",
    "apps.backups",
    "apps.deployments",
    "aiwriter.console.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
    "django_prose_editor",
    "csp",
]
MIDDLEWARE = [
    "aiwriter.core.middleware.RequestContextMiddleware",
    "aiwriter.core.middleware.ProbeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "aiwriter.core.staticfiles.LiveStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "aiwriter.core.buckets.BucketMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "aiwriter.core.pauses.MaintenanceMiddleware",
    "apps.users.api.limits.RateHeadersMiddleware",
    "aiwriter.core.middleware.AppErrorMiddleware",
    "apps.users.portal.proof.SessionGuardMiddleware",
]
ROOT_URLCONF = "aiwriter.urls"
ASGI_APPLICATION = "aiwriter.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "aiwriter.core.context_processors.product",
                "apps.deployments.portal.banner.announcements",
            ],
            "libraries": {"portal": "apps.content.portal.shell", "console": "aiwriter.console.tags"},
        },
    },
]

# ---------------------------------------------------------------- database, cache, sessions
DATABASE_URL = ENV["DATABASE_URL"] or f"sqlite:///{DATA_DIR / 'aiwriter.sqlite3'}"
_database: dict[str, Any] = environ.Env.db_url_config(DATABASE_URL)
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that starts as a reader and turns writer fails at once with "database is locked"
    # whatever the timeout says; taking the write lock first makes it wait instead.
    _database["ENGINE"] = "aiwriter.core.sqlite"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-20000;"
        "PRAGMA mmap_size=134217728;PRAGMA temp_store=MEMORY;",
    }
    if (DATA_DIR / "backups" / "capture" / "wanted.json").is_file():
        # Where every change is captured, the capture alone empties the log: should it have been killed, the log waits for it.
        _database["OPTIONS"]["init_command"] += "PRAGMA wal_autocheckpoint=0;"
    _database["CONN_MAX_AGE"] = 600
else:
    _database["ENGINE"] = "django.db.backends.postgresql"
    _database["OPTIONS"] = {**_database.get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": 20, "timeout": 15}}
DATABASES = {"default": _database}
# Where DATABASE_URL leads to a pooler, the server itself; see core/direct.py.
DATABASE_DIRECT_URL, REPLICA_URL = ENV["AIWRITER_DATABASE_DIRECT_URL"], ENV["AIWRITER_REPLICA_URL"]
DATABASE_DIRECT: dict[str, Any] = {}
if DATABASE_DIRECT_URL:
    DATABASE_DIRECT = direct.read(DATABASE_DIRECT_URL)
    _database["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASE_ROUTERS: list[str] = []
if REPLICA_URL:
    DATABASES["replica"] = direct.standby(_database, REPLICA_URL)
    DATABASE_ROUTERS = ["aiwriter.core.replica.Router"]
    MIDDLEWARE.insert(2, "aiwriter.core.replica.ReplicaMiddleware")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The cache is a table, shared by all processes: allauth's limits and its replay guard are only exact when it is.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_COOKIE_SAMESITE = "Lax"

# ---------------------------------------------------------------- people
AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["apps.users.portal.entrance.Entrance"]
PASSWORD_HASHERS = [
    "apps.users.services.hashing.TunedArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email",)},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "apps.users.services.passwords.ContextWordsValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.users.portal.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "apps.users.portal.entrance.SignInForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
# Addresses belong to the administrators: whoever could add one could also take an invitation that is not theirs.
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_PREVENT_ENUMERATION = True
MFA_ADAPTER = "apps.users.portal.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Browsers offer passkeys on https and on localhost; whether that is so is theirs to judge where https is not set up.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
MFA_FORMS = {
    "add_webauthn": "apps.users.portal.factors.PasskeyForm",
    "authenticate": "apps.users.portal.factors.CodeForm",
    "reauthenticate": "apps.users.portal.factors.ProofCodeForm",
}
# Eight digits of a seed are 26 bits; these are 53. The seed is sealed, each code works once.
MFA_RECOVERY_CODE_DIGITS = 16
# Providers are rows of our own (apps/users/models/sso.py): allauth's keep their secret in clear.
SOCIALACCOUNT_ADAPTER = "apps.users.portal.providers.ProviderAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
SOCIALACCOUNT_STORE_TOKENS = False
# For so long after signing in, or after the last proof, a person may do grave things without being asked again.
PROOF_SECONDS = ENV["AIWRITER_PROOF_MINUTES"] * 60
ACCOUNT_REAUTHENTICATION_TIMEOUT = PROOF_SECONDS

# ---------------------------------------------------------------- the web
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_COOKIE_SAMESITE = "Lax"
# No script reads the cookie: forms and scripts take the token from the page.
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "aiwriter.core.views.csrf_failure"
if ENV["AIWRITER_HTTPS"]:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    SECURE_HSTS_SECONDS = int(timedelta(days=730).total_seconds())
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    if TRUSTED_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "aiwriter.core.staticfiles.ModuleStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_MAX_AGE = int(timedelta(days=365).total_seconds())
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 200
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_HANDLERS = ["aiwriter.core.uploads.LimitedTemporaryFileUploadHandler"]
MAX_UPLOAD_BYTES = ENV["AIWRITER_MAX_UPLOAD_MB"] * 1024 * 1024
MAX_REQUEST_BYTES = max(ENV["AIWRITER_MAX_REQUEST_MB"], ENV["AIWRITER_MAX_UPLOAD_MB"] + 1) * 1024 * 1024
CLAMD_ADDRESS, CLAMD_WHEN_DOWN = ENV["AIWRITER_CLAMD"], ENV["AIWRITER_CLAMD_WHEN_DOWN"]
CLAMD_SECONDS, CLAMD_SIGNATURE_DAYS = ENV["AIWRITER_CLAMD_SECONDS"], ENV["AIWRITER_CLAMD_SIGNATURE_DAYS"]
WEB_THREADS = ENV["AIWRITER_WEB_THREADS"]
EXPORT_DAYS = ENV["AIWRITER_EXPORT_DAYS"]
LANGUAGE_CODE, LANGUAGES = "en", [("en", "English")]
FORMAT_MODULE_PATH = "aiwriter.formats"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE, USE_TZ = "UTC", True

# ---------------------------------------------------------------- REST
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.users.api.authentication.TokenAuthentication",
        "apps.users.api.authentication.PortalSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "aiwriter.core.rest.parameters.KnownParameters",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["apps.users.api.limits.RateThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["aiwriter.core.rest.renderers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_PAGINATION_CLASS": "aiwriter.core.rest.pagination.CursorPage",
    "DEFAULT_SCHEMA_CLASS": "aiwriter.core.rest.schema.Schema",
    "EXCEPTION_HANDLER": "aiwriter.core.rest.exceptions.handle",
    "UNAUTHENTICATED_USER": None,
    # Without this a query of ?format=docx would choose a renderer and answer 404 before the view is asked.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
API_TOKEN_RATE, API_USER_RATE = ENV["AIWRITER_API_TOKEN_RATE"], ENV["AIWRITER_API_USER_RATE"]
SPECTACULAR_SETTINGS = {
    "TITLE": "AI-Writer",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Everything that a writer can do in the portal. See docs/api.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["aiwriter.core.rest.schema.complete"],
    # Making the whole description tells nothing of an installation's settings, and every roll-out's checklist waited 0.7 s for
    # it. That it is made without a warning is a test of ours (`tests/house/api.py`).
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# ---------------------------------------------------------------- jobs
REDIS_URL = ENV["REDIS_URL"]
CELERY_BROKER_URL, _sentinels = redis_addresses.for_celery(
    ENV["CELERY_BROKER_URL"] or REDIS_URL or "filesystem://localhost"
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = ENV["AIWRITER_WORKER_CONCURRENCY"]
CELERY_WORKER_ENABLE_REMOTE_CONTROL = redis_addresses.is_redis(CELERY_BROKER_URL)
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 870
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "aiwriter.core.timetable:Timetable"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
if CELERY_BROKER_URL.startswith("filesystem"):
    _queue = DATA_DIR / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "store_processed": False,
        # A look at an empty folder costs 20 µs; half of the interval is what a writer waits for the first word.
        "polling_interval": 0.05,
    }
else:
    # kombu gives the tasks of a killed worker back only after the visibility time-out; the two restore settings
    # cut the sweep from 100 s to seconds. The time-out stays above the longest task.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": CELERY_TASK_TIME_LIMIT + 60,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        **_sentinels,
    }
MAX_GENERATIONS = ENV["AIWRITER_MAX_GENERATIONS"]

# ---------------------------------------------------------------- storage, keys, plugins, recovery
BACKUP_HOOK = ENV["AIWRITER_BACKUP_HOOK"]
RESTORE_APPROVAL = ENV["AIWRITER_RESTORE_APPROVAL"]
PG_BIN = ENV["AIWRITER_PG_BIN"]
AIWRITER_CHROMA_URL = ENV["AIWRITER_CHROMA_URL"]
AIWRITER_VECTOR_CACHE_MB = ENV["AIWRITER_VECTOR_CACHE_MB"]
AIWRITER_PLUGINS_ALLOW = ENV["AIWRITER_PLUGINS_ALLOW"]
AIWRITER_PLUGINS_SAFE_MODE = ENV["AIWRITER_PLUGINS_SAFE_MODE"]
EGRESS_ALLOW_NETWORKS = ENV["AIWRITER_EGRESS_ALLOW_NETWORKS"]
OUTGOING_ALLOW_NETWORKS = ENV["AIWRITER_OUTGOING_ALLOW_NETWORKS"]
SECRETS_DIR = Path(ENV["AIWRITER_SECRETS_DIR"])
KEYRING_FILE = ENV["AIWRITER_KEYRING"]
KEY_PROVIDER = ENV["AIWRITER_KEY_PROVIDER"]
VAULT_URL, VAULT_TOKEN = ENV["AIWRITER_VAULT_URL"], ENV["AIWRITER_VAULT_TOKEN"]
VAULT_MOUNT, VAULT_KEY = ENV["AIWRITER_VAULT_MOUNT"], ENV["AIWRITER_VAULT_KEY"]
KMS_KEY, KMS_REGION, KMS_URL = ENV["AIWRITER_KMS_KEY"], ENV["AIWRITER_KMS_REGION"], ENV["AIWRITER_KMS_URL"]
KMS_ACCESS_KEY, KMS_SECRET_KEY = ENV["AIWRITER_KMS_ACCESS_KEY"], ENV["AIWRITER_KMS_SECRET_KEY"]
AUDIT_HOT_DAYS = ENV["AIWRITER_AUDIT_HOT_DAYS"]
RELEASE_FILES = ENV["AIWRITER_RELEASE_FILES"] or str(BASE_DIR / "deploy" / "release")
CONSOLE_NETWORKS, METRICS_NETWORKS = ENV["AIWRITER_CONSOLE_NETWORKS"], ENV["AIWRITER_METRICS_NETWORKS"]
CERTIFICATES = ENV["AIWRITER_CERTIFICATES"]

# ---------------------------------------------------------------- mail, logs
if ENV["EMAIL_URL"]:
    _mail = environ.Env.email_url_config(ENV["EMAIL_URL"])
    EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
    EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST", ""), _mail.get("EMAIL_PORT", 25)
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER", ""), _mail.get("EMAIL_HOST_PASSWORD", "")
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(DATA_DIR / "mail")
DEFAULT_FROM_EMAIL = f"AI-Writer <noreply@{urlsplit(PUBLIC_URL).hostname}>"
LOGGING = logging_settings(
    level=ENV["AIWRITER_LOG_LEVEL"],
    form=ENV["AIWRITER_LOG_FORMAT"],
    errors=str(DATA_DIR / "run" / "errors"),
    folder=str(DATA_DIR / "logs"),
)
LOG_DAYS, LOG_MEGABYTES = ENV["AIWRITER_LOG_DAYS"], ENV["AIWRITER_LOG_MB"]
HEARTBEAT_URL = ENV["AIWRITER_HEARTBEAT_URL"]
FLAG_PROVIDER = ENV["AIWRITER_FLAG_PROVIDER"]
OTLP_URL = ENV["AIWRITER_OTLP_URL"]
SENTRY_DSN = ENV["AIWRITER_SENTRY_DSN"]
