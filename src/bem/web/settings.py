"""Django's settings for the web application."""

from datetime import timedelta
from pathlib import Path

from bem.lab import django_settings as lab
from bem.runtime.settings import read_secret
from bem.web import installed

_HERE = Path(__file__).parent
_WEB = lab.SETTINGS.web
_HTTPS = _WEB.https != "off"

DATABASES = lab.DATABASES
DEFAULT_AUTO_FIELD = lab.DEFAULT_AUTO_FIELD
LOGGING_CONFIG = lab.LOGGING_CONFIG
TIME_ZONE = lab.TIME_ZONE
USE_TZ = lab.USE_TZ

DEBUG = False
SECRET_KEY = read_secret(_WEB.secret_key_file, "web.secret_key_file").get_secret_value()
SECRET_KEY_FALLBACKS = (
    []
    if _WEB.secret_key_previous_file is None
    # What was signed before the key was changed stays valid until it expires.
    else [
        read_secret(
            _WEB.secret_key_previous_file, "web.secret_key_previous_file"
        ).get_secret_value()
    ]
)
ALLOWED_HOSTS = list(_WEB.allowed_hosts)
ROOT_URLCONF = "bem.web.urls"
WSGI_APPLICATION = "bem.web.wsgi.application"

INSTALLED_APPS = installed.INSTALLED_APPS
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "bem.web.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bem.web.gate.Gatekeeper",
    # Inside of WhiteNoise, whose files are compressed already; event streams opt out themselves.
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bem.web.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bem.web.context.frame",
            ],
            "builtins": ["django.templatetags.static", "bem.web.templatetags.bem"],
        },
    }
]

# The build gives each asset a name with its hash and writes the compressed copies beside it, so
# they are served as they lie there, for ever, and nothing has to be collected at start.
STATIC_URL = "/static/"
STATICFILES_DIRS = [_HERE / "assets"]
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "bem.web.built_assets.BuiltAssets"},
}
WHITENOISE_IMMUTABLE_FILE_TEST = r"-[0-9A-Za-z]{8,10}\.[a-z0-9]+$"

AUTHENTICATION_BACKENDS = ["bem.web.sign_in.Accounts"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "watch:monitor"
LOGOUT_REDIRECT_URL = "sign-in"
SESSION_ENGINE = "bem.web.sessions"
SESSION_COOKIE_AGE = int(timedelta(hours=_WEB.session_hours).total_seconds())
SESSION_COOKIE_NAME = "bem_session"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "bem_csrf"
CSRF_FAILURE_VIEW = "bem.web.errors.forbidden"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=30).total_seconds()) if _HTTPS else 0
# Anybody else could claim it; without a proxy nobody may.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _WEB.https == "proxy" else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = installed.AUTH_PASSWORD_VALIDATORS

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_THOUSAND_SEPARATOR = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

DJANGO_TABLES2_TEMPLATE = "django_tables2/bootstrap5.html"
