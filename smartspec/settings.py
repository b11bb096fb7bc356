"""Every setting of the product. The environment is read here alone; `.env.example` lists it in this order."""

import re
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured

from smartspec import alive, local
from smartspec.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules

env = Environment(BASE_DIR / ".env")

# --- Where and how this server runs -------------------------------------------------------------------------------

ENVIRONMENT = env.choice("SMARTSPEC_ENVIRONMENT", "local", ("local", "production"))
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.boolean("SMARTSPEC_DEBUG", False)
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
DATA_DIR = env.folder("SMARTSPEC_DATA_DIR", BASE_DIR, ".local") / ("test" if TESTING else "")
SITE_URL = env.site("SMARTSPEC_SITE_URL", f"http://localhost:{PORT}")
ALLOWED_HOSTS = env.words("SMARTSPEC_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
APP_ORIGINS = env.origins(
    "SMARTSPEC_APP_ORIGINS",
    ("tauri://localhost", "http://tauri.localhost", "https://tauri.localhost", "http://localhost:1420"),
)
APP_SCHEMES = env.schemes("SMARTSPEC_APP_SCHEMES", ("smartspec",))
LOG_FORMAT = env.choice("SMARTSPEC_LOG_FORMAT", "json" if PRODUCTION else "console", ("json", "console"))
LOG_LEVEL = env.choice("SMARTSPEC_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
# The default is for one's own machine; production refuses to start with it.
SECRET_KEY = env.text(
    "SMARTSPEC_SECRET_KEY", "" if PRODUCTION else "local-only-secret-key-never-used-in-production-" + "0" * 20
)
# What was signed or encrypted under these is still read, for as long as SECRET_KEY is being rolled.
SECRET_KEY_FALLBACKS = env.words("SMARTSPEC_SECRET_KEY_FALLBACKS")
# Digests the addresses that had Free's allowance. It must outlive a change of SECRET_KEY, which ends sessions.
ADDRESS_HASH_KEY = env.text("SMARTSPEC_ADDRESS_HASH_KEY", "" if PRODUCTION else f"address-hash-{SECRET_KEY}")
OPERATOR_EMAILS = env.addresses("SMARTSPEC_OPERATOR_EMAILS")
METRICS_NETWORKS = env.networks("SMARTSPEC_METRICS_NETWORKS", ("127.0.0.0/8", "::1/128"))
SENTRY_DSN = env.secret("SENTRY_DSN", ("https://", "http://"))
WEBHOOKS_KEPT_DAYS = env.integer("SMARTSPEC_WEBHOOKS_KEPT_DAYS", 30, minimum=1, maximum=3650)
JOBS_KEPT_DAYS = env.integer("SMARTSPEC_JOBS_KEPT_DAYS", 30, minimum=1, maximum=3650)
SESSION_DAYS = env.integer("SMARTSPEC_SESSION_DAYS", 60, minimum=1, maximum=365)
BACKUP_WITHIN_HOURS = env.integer("SMARTSPEC_BACKUP_WITHIN_HOURS", 30, minimum=0, maximum=24 * 31)
BASE_COPY_WITHIN_HOURS = env.integer("SMARTSPEC_BASE_COPY_WITHIN_HOURS", 30, minimum=0, maximum=24 * 31)

# --- Database and mail --------------------------------------------------------------------------------------------

DATABASE_GIVEN = env.database("DATABASE_URL")
DATABASE_DIRECT = env.database("DATABASE_DIRECT_URL")
PREPARED_STATEMENTS = env.boolean("DATABASE_PREPARED_STATEMENTS", True)
EMAIL_GIVEN = env.email("EMAIL_URL")
DEFAULT_FROM_EMAIL = env.sender("SMARTSPEC_FROM_EMAIL", "SmartSpec Pro <no-reply@smartspec.test>")

# --- Staff --------------------------------------------------------------------------------------------------------

# How many credits a role adjusts alone, in one action and on one day; above it a second person decides.
SUPPORT_ADJUSTMENT = env.integer("SMARTSPEC_SUPPORT_ADJUSTMENT_CREDITS", 500, minimum=0, maximum=10**9)
SUPPORT_ADJUSTMENT_DAILY = env.integer("SMARTSPEC_SUPPORT_ADJUSTMENT_CREDITS_PER_DAY", 2000, minimum=0, maximum=10**9)
BILLING_ADJUSTMENT = env.integer("SMARTSPEC_BILLING_ADJUSTMENT_CREDITS", 10_000, minimum=0, maximum=10**9)
BILLING_ADJUSTMENT_DAILY = env.integer("SMARTSPEC_BILLING_ADJUSTMENT_CREDITS_PER_DAY", 50_000, minimum=0, maximum=10**9)

# --- Stripe -------------------------------------------------------------------------------------------------------

TEST_KEYS_ALLOWED = env.boolean("SMARTSPEC_ALLOW_TEST_KEYS", False)
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY", ("sk_test_", "sk_live_", "rk_test_", "rk_live_"))
STRIPE_PUBLISHABLE_KEY = env.secret("STRIPE_PUBLISHABLE_KEY", ("pk_test_", "pk_live_"))
STRIPE_WEBHOOK_SECRETS = env.words("STRIPE_WEBHOOK_SECRET")
STRIPE_PRICES = {
    ("pro", "monthly"): env.text("STRIPE_PRICE_PRO_MONTHLY"),
    ("pro", "yearly"): env.text("STRIPE_PRICE_PRO_YEARLY"),
    ("enterprise", "monthly"): env.text("STRIPE_PRICE_ENTERPRISE_MONTHLY"),
    ("enterprise", "yearly"): env.text("STRIPE_PRICE_ENTERPRISE_YEARLY"),
}
STRIPE_PORTAL_CONFIGURATION = env.text("STRIPE_PORTAL_CONFIGURATION")

# --- Cloudflare R2 ------------------------------------------------------------------------------------------------

CLOUDFLARE_R2_ACCESS_KEY_ID = env.text("CLOUDFLARE_R2_ACCESS_KEY_ID")
CLOUDFLARE_R2_SECRET_ACCESS_KEY = env.text("CLOUDFLARE_R2_SECRET_ACCESS_KEY")
CLOUDFLARE_R2_BUCKET_NAME = env.text("CLOUDFLARE_R2_BUCKET_NAME")
CLOUDFLARE_R2_ENDPOINT = env.url("CLOUDFLARE_R2_ENDPOINT")
CLOUDFLARE_R2_PUBLIC_URL = env.url("CLOUDFLARE_R2_PUBLIC_URL")

env.reject_unknown()

# --- What follows from it -----------------------------------------------------------------------------------------

STRIPE_SANDBOX = not STRIPE_SECRET_KEY and not PRODUCTION
if STRIPE_SANDBOX:
    # The stand-in accepts any key of this form. dj-stripe insists on 24 characters after the prefix.
    STRIPE_SECRET_KEY = "sk_test_" + "sandbox" + "0" * 17
    STRIPE_PUBLISHABLE_KEY = "pk_test_" + "sandbox" + "0" * 17
    STRIPE_WEBHOOK_SECRETS = STRIPE_WEBHOOK_SECRETS or ["whsec_sandbox"]
    STRIPE_PRICES = {key: given or "price_smartspec_{}_{}".format(*key) for key, given in STRIPE_PRICES.items()}
    STRIPE_API_BASE = f"{SITE_URL}/sandbox/stripe"
    STRIPE_HTTP_CLIENT = "billing.sandbox.client.InProcessClient"
    STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.delivery.post_over_http"
    CLOCK_OFFSET = "" if TESTING else "billing.sandbox.services.moving.read_offset"
else:
    CLOCK_OFFSET = ""
    STRIPE_API_BASE = ""
    STRIPE_HTTP_CLIENT = ""
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
STRIPE_CURRENCY = "usd"
# Somebody waits for a web server, and it has other things to do; workers and commands are patient.
IS_PATIENT = Path(sys.argv[0]).name in ("manage.py", "django-admin")
STRIPE_TIMEOUT_SECONDS = 20
STRIPE_RETRIES = 2 if IS_PATIENT else 1
# Of a web server's 16 threads: when Stripe does not answer, the others go on serving whoever needs no Stripe.
STRIPE_CALLS_AT_ONCE = 32 if IS_PATIENT else 8

R2_SANDBOX = not PRODUCTION and not (
    CLOUDFLARE_R2_ACCESS_KEY_ID
    or CLOUDFLARE_R2_SECRET_ACCESS_KEY
    or CLOUDFLARE_R2_BUCKET_NAME
    or CLOUDFLARE_R2_ENDPOINT
)
R2_TIMEOUT_SECONDS = 30 if IS_PATIENT else 10
R2_ATTEMPTS = 4 if IS_PATIENT else 2
R2_CALLS_AT_ONCE = 32 if IS_PATIENT else 4  # so that four threads are left when Stripe does not answer either
if R2_SANDBOX:
    CLOUDFLARE_R2_ACCESS_KEY_ID = "smartspec"
    CLOUDFLARE_R2_SECRET_ACCESS_KEY = "smartspec-local-secret"  # noqa: S105
    CLOUDFLARE_R2_BUCKET_NAME = "smartspec-media"
    CLOUDFLARE_R2_ENDPOINT = f"{SITE_URL}/sandbox/r2"
    R2_SANDBOX_DIR = DATA_DIR / "r2"
    R2_SANDBOX_TOKENS = {CLOUDFLARE_R2_ACCESS_KEY_ID: CLOUDFLARE_R2_SECRET_ACCESS_KEY}
    R2_SANDBOX_TRANSPORT = "media.sandbox.client.send_in_process"
else:
    R2_SANDBOX_TRANSPORT = ""

# dj-stripe reads the key by mode; one of the two stays empty.
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else STRIPE_SECRET_KEY
STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY if STRIPE_LIVE_MODE else ""
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"

IS_WORKER = sys.argv[1:3] == ["procrastinate", "worker"]
if DATABASE_GIVEN:
    # PgBouncer in transaction mode has no LISTEN, by which workers hear of new jobs, and no session for migrate.
    NEEDS_SESSION = IS_WORKER or sys.argv[1:2] == ["migrate"]
    DATABASES: dict[str, dict[str, Any]] = {"default": (NEEDS_SESSION and DATABASE_DIRECT) or DATABASE_GIVEN}
elif PRODUCTION:
    raise ImproperlyConfigured("DATABASE_URL must be set in production.")
else:
    try:
        DATABASES = {"default": local.database_settings(DATA_DIR)}
    except (FileNotFoundError, PermissionError) as error:
        raise ImproperlyConfigured(f"SMARTSPEC_DATA_DIR must be a folder that can be written to ({error}).") from error
    # dj-stripe's own migrations take 40 s on an empty database. A database that lives on one machine starts from one
    # regenerated migration instead; a given DATABASE_URL always runs the originals.
    MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}
DATABASE_TIMEOUT_SECONDS = None if IS_PATIENT else 20  # for one statement; a report or a migration may take longer
DATABASES["default"] |= {
    "ENGINE": "smartspec.postgres",
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": True,
    "DISABLE_SERVER_SIDE_CURSORS": True,  # PgBouncer in transaction mode hands the next statement to another server
}
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 10 if IS_PATIENT else 3,
    # A machine that is gone without a word is noticed within a minute; by default it would be two hours.
    **{"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000},
    **DATABASES["default"].get("OPTIONS", {}),
    # The calls of the ledger are planned once for each connection; Django's own cursors never prepare anything.
    "prepare_threshold": 0 if PREPARED_STATEMENTS else None,
    **({"application_name": alive.WORKER} if IS_WORKER else {}),
}
if PRODUCTION and not SECRET_KEY:
    raise ImproperlyConfigured("SMARTSPEC_SECRET_KEY must be set in production: 50 or more random characters.")
if PRODUCTION and not ADDRESS_HASH_KEY:
    raise ImproperlyConfigured("SMARTSPEC_ADDRESS_HASH_KEY must be set in production: 50 or more random characters.")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.usersessions",
    "corsheaders",
    "csp",
    "django_htmx",
    "django_structlog",
    "djstripe",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "procrastinate.contrib.django",
    "rest_framework",
    "smartspec",
    "smartspec.users",
    "smartspec.watching",
    "credits",
    "billing",
    *(["billing.sandbox"] if STRIPE_SANDBOX else []),
    "media",
]

MIDDLEWARE = [
    "smartspec.watching.metrics.RequestMetricsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "smartspec.logs.RequestIdMiddleware",  # before whatever may answer in the place of a view
    "django.middleware.security.SecurityMiddleware",
    "smartspec.compression.PageGZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "smartspec.answers.AnswerMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "smartspec.admin.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "smartspec.languages.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "smartspec.users.problems.HeadlessProblemMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "smartspec.users.sessions.BrowserSessionMiddleware",
    "smartspec.users.staff_login.StaffLoginMiddleware",
    "smartspec.users.viewing.SupportViewMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "smartspec.pages.EndedSessionMiddleware",
]

ROOT_URLCONF = "smartspec.urls"
WSGI_APPLICATION = "smartspec.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("th", "Thai")]
FORMAT_MODULE_PATH = ["smartspec.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # elsewhere served from where they stand
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION  # looks for a file when it is asked for, instead of at every start for all
STORAGES = {
    "default": {"BACKEND": "media.storage.boto.R2Storage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

CACHES = {"default": {"BACKEND": "smartspec.users.cache.PostgresCache", "LOCATION": "cache"}}

# --- Mail ---------------------------------------------------------------------------------------------------------

MAIL_SANDBOX = EMAIL_GIVEN is None and not PRODUCTION
EMAIL_TIMEOUT = 10  # seconds for each of its answers; Django would wait for a silent mail server for ever
if EMAIL_GIVEN is not None:
    vars().update(EMAIL_GIVEN)
elif PRODUCTION:
    raise ImproperlyConfigured("EMAIL_URL must be set in production: codes and receipts are sent by mail.")
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA_DIR / "mail"

# --- People and doors ---------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
# One backend, so that every refused log-in hashes exactly one password.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "smartspec.users.passwords.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/account"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"  # log-in does not wait for it; Free's allowance does
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
# Both as long as their mails say.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 600
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 600
# As many guesses at the old password as at a log-in; allauth's other limits are its own.
ACCOUNT_RATE_LIMITS = {"change_password": "5/300s/user"}
ACCOUNT_CHANGE_EMAIL = True  # one address for each person; a new one replaces it once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "smartspec.users.adapter.AccountAdapter"
ACCOUNT_SIGNUP_FORM_CLASS = "smartspec.users.adapter.SignupForm"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if PRODUCTION else 0
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "smartspec.users.sessions.TokenStrategy"  # noqa: S105
HEADLESS_SERVE_SPECIFICATION = True  # its document, which is part of /api/schema, names its own address
HEADLESS_SPECIFICATION_TEMPLATE_NAME = None
USERSESSIONS_TRACK_ACTIVITY = True
# Staff show a second factor before the back-office opens, except on one's own machine.
STAFF_TWO_FACTOR = PRODUCTION
STAFF_SESSION_SECONDS = 12 * 3600
MFA_ADAPTER = "smartspec.users.staff_login.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "SmartSpec Pro"
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION

CORS_ALLOWED_ORIGINS = [origin for origin in APP_ORIGINS if origin.startswith("http")]
CORS_ALLOWED_ORIGIN_REGEXES = [f"^{re.escape(origin)}$" for origin in APP_ORIGINS if not origin.startswith("http")]
CORS_ALLOW_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "x-email-verification-key",
    "x-password-reset-key",
    "x-request-id",
    "x-session-token",
)
CORS_EXPOSE_HEADERS = (
    "content-disposition",
    "idempotent-replayed",
    "retry-after",
    "www-authenticate",
    "x-request-id",
)
CORS_URLS_REGEX = r"^/api/"

# Where a checkout or the portal may lead back to: this site, the app's origins, the app's own schemes.
RETURN_URL_ALLOWLIST = [SITE_URL, *APP_ORIGINS, *(f"{scheme}://" for scheme in APP_SCHEMES)]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        # A form that opens a checkout is answered with a redirect to Stripe's page, an upgrade may be to the invoice's.
        "form-action": [
            SELF,
            "https://checkout.stripe.com",
            "https://billing.stripe.com",
            "https://invoice.stripe.com",
        ],
        "img-src": [SELF, "data:"],
    }
}
# Unfold's Alpine evaluates expressions and sets styles: under /admin/ these replace the values above.
ADMIN_CSP = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
UNFOLD = {
    "SITE_TITLE": "SmartSpec Pro",
    "SITE_HEADER": "SmartSpec Pro",
    "SITE_SUBHEADER": "Back-office",
    "SITE_SYMBOL": "toll",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "smartspec.backoffice.home.mark"}],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "smartspec.backoffice.home.fill",
    "STYLES": ["smartspec.backoffice.home.styles"],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "smartspec.backoffice.home.navigation",
    },
}

STAFF_ADJUSTMENT_LIMITS = {
    "Support": (SUPPORT_ADJUSTMENT, SUPPORT_ADJUSTMENT_DAILY),
    "Billing": (BILLING_ADJUSTMENT, BILLING_ADJUSTMENT_DAILY),
    "Admin": (BILLING_ADJUSTMENT, BILLING_ADJUSTMENT_DAILY),
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = SESSION_DAYS * 86_400  # of the desktop's token too; every use moves its end
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
if PRODUCTION:
    # Under these names a browser takes them from this very host alone, and only over TLS.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # for callers that come past the proxy
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- API ----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "smartspec.users.authentication.BearerSessionAuthentication",
        "smartspec.users.authentication.ServiceKeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["smartspec.users.permissions.IsUser"],
    "DEFAULT_THROTTLE_CLASSES": ["smartspec.users.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["smartspec.exact_json.ExactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["smartspec.exact_json.ExactJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "smartspec.exact_json.ForgivingNegotiation",
    "DEFAULT_SCHEMA_CLASS": "smartspec.api.ProblemSchema",
    "EXCEPTION_HANDLER": "smartspec.api.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": 1 if PRODUCTION else 0,
}
# Calls per caller and second, minute, hour or day (s, m, h, d); one worker may well make a thousand calls a second.
THROTTLE_RATES = {"address": "6000/m", "user": "6000/m", "key": "6000/m", "service_key": "600000/m"}
# What asks Stripe, which limits us in turn: each page for each person, and what became of each checkout.
THROTTLE_RATES |= {"stripe": "60/m", "checkout": "30/m"}
# What `/readyz` asks of an app above the ground, by name: it returns, or raises a DomainError.
STORAGE_CHECK = "media.storage.check_ready"
# What a user's plan allows is known to an app above the ground: its two selectors, by name.
PLAN_STATE = "credits.selectors.get_plan_state"
PLAN = "credits.selectors.get_plan"
# What lets nobody spend for somebody who asked to be forgotten: a service of an app above the ground, by name.
CLOSE_ACCOUNT = "credits.services.close_account"
# What a mail may promise: the next monthly credits, known to whoever knows whether the plan goes on.
COMING_CREDITS = "billing.selectors.coming_credits"
DRF_STANDARDIZED_ERRORS = {"ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True}
SPECTACULAR_SETTINGS = {
    "TITLE": "SmartSpec Pro payments and credits",
    "DESCRIPTION": "Credits, subscriptions and media for the SmartSpec Pro desktop app and its generation workers.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"IntervalEnum": ["monthly", "yearly"]},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "smartspec.users.openapi.add_account_endpoints",
        "billing.openapi.add_webhook",
    ],
}

# --- Queue --------------------------------------------------------------------------------------------------------

PROCRASTINATE_WORKER_DEFAULTS = {
    # Most of a job's time is Stripe's: with four at a time, a thousand webhooks took minutes.
    "concurrency": 16,
    # A job that waited for a lock is seen at the next poll only; the default of 5 s would make customers wait.
    "fetch_job_polling_interval": 0.2,
    "delete_jobs": "successful",
}
PROCRASTINATE_ON_APP_READY = "smartspec.jobs.prepare"

# --- Logs ---------------------------------------------------------------------------------------------------------

LOGGING_CONFIG = "smartspec.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}
# django-structlog would look at request.user before allauth has found out whose token came with the request, and keep
# nobody. Whoever finds the user binds `user_id` (users/authentication.py, users/sessions.py).
DJANGO_STRUCTLOG_USER_ID_FIELD = None
if SENTRY_DSN:
    from smartspec import sentry  # its library is slow to import, and of no use without an address

    try:
        sentry.start(dsn=SENTRY_DSN, environment=ENVIRONMENT)
    except ValueError:
        raise ImproperlyConfigured("SENTRY_DSN must be an address such as https://key@host/1.") from None

SILENCED_SYSTEM_CHECKS = ["djstripe.W002"] if STRIPE_SANDBOX else []
