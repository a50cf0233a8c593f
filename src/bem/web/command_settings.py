"""Django's settings for commands that work on all tables and serve no pages: they need no secret
but the database's password.
"""

from bem.lab import django_settings as lab
from bem.web import installed

DATABASES = lab.DATABASES
DEFAULT_AUTO_FIELD = lab.DEFAULT_AUTO_FIELD
LOGGING_CONFIG = lab.LOGGING_CONFIG
TIME_ZONE = lab.TIME_ZONE
USE_TZ = lab.USE_TZ
INSTALLED_APPS = installed.INSTALLED_APPS
AUTH_PASSWORD_VALIDATORS = installed.AUTH_PASSWORD_VALIDATORS
