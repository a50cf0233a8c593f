"""What people tell stations."""

from django.db import transaction
from django.utils import timezone

from bem.lab.models import Command, Station
from bem.lab.operations.commands import order
from bem.lab.operations.errors import refusal
from bem.lab.rights import Role, User, require


def acknowledge_fault(user: User, station: Station, note: str = "") -> Command:
    """Say that a person knows of a station's fault and has seen to it, so that it may run again.

    Raises:
        PermissionDenied: the user is no supervisor.
        OperationRefused: the station is gone, has no fault, or is being told already; the note is
            too long.
    """
    require(user, Role.SUPERVISOR)
    with transaction.atomic():
        kept = Station.objects.select_for_update().filter(pk=station.pk).first()
        if kept is None:
            raise refusal(f"station “{station}” is not there any more")
        if kept.state != Station.State.FAULT:
            raise refusal(
                f"“{kept}” is {kept.get_state_display().lower()}: there is no fault to acknowledge"
            )
        underway = kept.commands.filter(
            action=Command.Action.ACKNOWLEDGE,
            status__in=Command.OPEN,
            expires_at__gt=timezone.now(),
        )
        if underway.exists():
            raise refusal(
                f"the fault of “{kept}” is being acknowledged already: "
                "wait for the station's answer"
            )
        return order(user, kept, Command.Action.ACKNOWLEDGE, note)
