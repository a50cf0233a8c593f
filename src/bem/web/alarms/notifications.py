"""How the person who is signed in wants to be told of alarms."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from bem.lab.models import Delivery, Notifications, Severity
from bem.lab.operations import alarms as operations
from bem.lab.operations.errors import EVERYTHING, OperationRefused
from bem.lab.rights import Role
from bem.web.records.access import RolePage
from bem.web.records.forms import RecordForm

_RECENT = 10


class NotificationsForm(RecordForm):
    """Where to, and how grave. What is a good address is the operation's business."""

    email = forms.CharField(
        label="E-mail",
        required=False,
        max_length=254,
        help_text="Empty: no e-mail",
        widget=forms.EmailInput(attrs={"placeholder": "ana@lab.example", "autocomplete": "email"}),
    )
    webhook = forms.CharField(
        label="Webhook",
        required=False,
        max_length=500,
        help_text="An address that takes a POST of JSON. Empty: none",
        widget=forms.URLInput(
            attrs={"placeholder": "https://chat.lab.example/hooks/bem", "autocomplete": "off"}
        ),
    )
    severity = forms.ChoiceField(
        label="From which severity on", choices=Severity.choices, initial=Severity.WARNING
    )


class NotificationsPage(RolePage):
    """The choices of this person; nobody sees or sets another's."""

    writes = Role.VIEWER

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them, and how the newest messages went; to htmx only the latter."""
        if "HX-Request" in request.headers:
            return render(request, "alarms/parts/messages.html", _messages(request))
        kept = Notifications.objects.filter(user__username=request.user.get_username()).first()
        initial = (
            {"email": kept.email, "webhook": kept.webhook, "severity": kept.severity}
            if kept is not None
            else {}
        )
        return _show(request, NotificationsForm(initial=initial))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep them, and try them if asked to; or show what is wrong."""
        form = NotificationsForm(request.POST)
        if form.is_valid():
            try:
                operations.set_notifications(request.user, **form.cleaned_data)
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, "How you are told of alarms is kept.")
                if "test" in request.POST:
                    _send_test(request)
                return redirect("alarms:notifications")
        return _show(request, form)


def _send_test(request: HttpRequest) -> None:
    try:
        ways = operations.send_test_message(request.user)
    except OperationRefused as refused:
        for reason in refused.problems[EVERYTHING]:
            messages.error(request, reason)
    else:
        by = " and ".join(way.label.lower() for way in ways)
        messages.success(request, f"A test message is on its way by {by}. See below how it went.")


def _show(request: HttpRequest, form: NotificationsForm) -> HttpResponse:
    return render(request, "alarms/notifications.html", {"form": form, **_messages(request)})


def _messages(request: HttpRequest) -> dict[str, Any]:
    """Get the newest ones, and whether something is about to happen to any of them."""
    deliveries = list(
        Delivery.objects.filter(user__username=request.user.get_username())
        .select_related("alarm")
        .order_by("-pk")[:_RECENT]
    )
    pending = Delivery.Status.PENDING
    return {"deliveries": deliveries, "follows": any(one.status == pending for one in deliveries)}
