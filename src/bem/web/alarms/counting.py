"""How many alarms wait for somebody to acknowledge them."""

from bem.lab.models import Alarm


def unacknowledged() -> int:
    """Get the number, in one query that an index answers."""
    return Alarm.objects.filter(acknowledged_at=None).count()
