"""The Django app."""

from django.apps import AppConfig
from django.db.models.signals import pre_migrate

from bem.lab.suitability import refuse_unsuitable


class LabConfig(AppConfig):
    """Batteries, profiles, experiments and what they yielded."""

    name = "bem.lab"
    label = "lab"
    verbose_name = "Laboratory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Look at a database before its tables are made or changed."""
        pre_migrate.connect(refuse_unsuitable, sender=self)
