"""Placeholder of branch wt-web until wt-lab brings the real one."""

from django.utils import timezone

from bem.lab.models import Alarm, Notifications
from bem.lab.rights import Role, User, require


def acknowledge_alarm(user: User, alarm: Alarm, note: str = "") -> Alarm:
    """Acknowledge."""
    require(user, Role.OPERATOR)
    alarm.acknowledged_at = timezone.now()
    alarm.acknowledged_by_id = user.pk
    alarm.acknowledged_note = note
    alarm.save()
    return alarm


def set_notifications(
    user: User, *, email: str = "", webhook: str = "", severity: str = "warning"
) -> Notifications:
    """Set."""
    require(user, Role.VIEWER)
    return Notifications.objects.update_or_create(
        user_id=user.pk, defaults={"email": email, "webhook": webhook, "severity": severity}
    )[0]


def test_notifications(user: User) -> int:
    """Test."""
    require(user, Role.VIEWER)
    return 0
