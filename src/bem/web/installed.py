"""The Django apps of the pages, and with them all tables there are."""

from bem.lab import django_settings as lab

INSTALLED_APPS = [
    *lab.INSTALLED_APPS,
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "django_tables2",
    "bem.web",
    "bem.web.records",
    "bem.web.watch",
]

# Passwords are chosen by people and set through the `bem` command.
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
