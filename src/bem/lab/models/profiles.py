"""Profiles: what shall be done to a battery, written by people, reusable."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """A profile. Experiments keep a copy of the text, so that editing one changes no past run."""

    name = models.CharField(max_length=64, unique=True)
    description = models.TextField(max_length=2000, blank=True)
    text = models.TextField(max_length=200_000)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
