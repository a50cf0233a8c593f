"""The Django app."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Batteries, profiles, experiments and what they yielded."""

    name = "bem.lab"
    label = "lab"
    verbose_name = "Laboratory"
    default_auto_field = "django.db.models.BigAutoField"
