"""Who of several managers decides."""

from django.db import models


class Lease(models.Model):
    """A task that one process at a time may do, and who does it.

    ``holder`` is empty when nobody does. ``epoch`` grows with each holder and ``beat`` with each
    sign of life of one, so that others see by their own clocks whether it lives; the two instants
    are only for people to read.
    """

    name = models.CharField(primary_key=True, max_length=32)
    holder = models.CharField(max_length=320, blank=True, default="")
    epoch = models.PositiveBigIntegerField(default=0)
    beat = models.PositiveBigIntegerField(default=0)
    taken_at = models.DateTimeField(null=True, blank=True)
    renewed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
