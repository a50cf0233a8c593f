"""How the person who is signed in wants to be told of alarms."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from bem.lab.models import Delivery, Notifications, Severity
from bem.lab.operations import alarms as operations
from bem.lab.operations.errors import OperationRefused
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
        """Show them, and how the newest messages went."""
        kept = Notifications.objects.filter(user__username=request.user.get_username()).first()
        initial = (
            {"email": kept.email, "webhook": kept.webhook, "severity": kept.severity}
            if kept is not None
            else {}
        )
        return _show(request, NotificationsForm(initial=initial))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep them, or show what is wrong."""
        form = NotificationsForm(request.POST)
        if form.is_valid():
            try:
                operations.set_notifications(request.user, **form.cleaned_data)
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, "How you are told of alarms is kept.")
                return redirect("alarms:notifications")
        return _show(request, form)


def _show(request: HttpRequest, form: NotificationsForm) -> HttpResponse:
    deliveries = (
        Delivery.objects.filter(user__username=request.user.get_username())
        .select_related("alarm")
        .order_by("-pk")[:_RECENT]
    )
    context = {
        "form": form,
        "deliveries": deliveries,
    }
    return render(request, "alarms/notifications.html", context)
