"""The alarms: all of them, one of them, and how many nobody has acknowledged."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from bem.lab.models import Alarm, Station
from bem.lab.operations.alarms import acknowledge_alarm
from bem.lab.rights import Role
from bem.web.alarms.filters import AlarmFilter
from bem.web.alarms.tables import RANK, AlarmTable, state_of
from bem.web.records.access import RolePage, WritePage
from bem.web.records.listing import ListPage
from bem.web.records.tables import RecordTable
from bem.web.roles import role_on
from bem.web.watch.actions import tell

_JOINED = ("station", "experiment", "node", "acknowledged_by")
_UNREAD = tuple(
    f"experiment__{field}"
    for field in ("program", "profile_text", "expected", "channels", "limits", "parameters")
)


class AlarmList(ListPage):
    """All alarms; those that want somebody first."""

    table_class = AlarmTable
    filter_class = AlarmFilter
    template_name = "alarms/list.html"
    empty_template = "alarms/parts/empty.html"
    order = "-raised_at"

    def rows(self) -> QuerySet[Any]:
        """With what they are about."""
        return _alarms().annotate(rank=RANK)

    def table(self, rows: QuerySet[Any]) -> RecordTable:
        """Offer acknowledging to those who may."""
        return AlarmTable(rows, may_write=self.may_write)


class AlarmPage(RolePage):
    """One alarm, and the form that acknowledges it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show it."""
        alarm = get_object_or_404(_alarms(), pk=pk)
        context = {
            "alarm": alarm,
            "state": state_of(alarm),
            "deliveries": alarm.deliveries.select_related("user").order_by("pk"),
            "may_acknowledge": self._may_acknowledge(alarm),
            "is_latched": is_latched(alarm),
        }
        return render(request, "alarms/alarm.html", context)

    def _may_acknowledge(self, alarm: Alarm) -> bool:
        needed = Role.SUPERVISOR if is_latched(alarm) else self.writes
        return alarm.acknowledged_at is None and role_on(self.request) >= needed


class AlarmAcknowledge(WritePage):
    """Say that a person knows."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Acknowledge, then show what is left."""
        alarm = get_object_or_404(_alarms(), pk=pk)
        done = tell(
            request,
            lambda: acknowledge_alarm(request.user, alarm, request.POST.get("note", "")),
            "The alarm is acknowledged." if not is_latched(alarm) else "The station is being told.",
        )
        return redirect("alarms:list") if done else redirect("alarms:alarm", pk)


class AlarmCount(RolePage):
    """The badge of the menu, which every page asks for again now and then."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it; the frame's own part has the number."""
        return render(request, "alarms/parts/count.html")


def is_latched(alarm: Alarm) -> bool:
    """Whether acknowledging it lets its station run again."""
    return (
        alarm.cause == Alarm.Cause.FAULT
        and alarm.cleared_at is None
        and alarm.station is not None
        and alarm.station.state == Station.State.FAULT
    )


def _alarms() -> QuerySet[Alarm]:
    return Alarm.objects.select_related(*_JOINED).defer(*_UNREAD)
