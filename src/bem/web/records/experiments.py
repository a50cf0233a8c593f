"""The pages of the experiments: the list, the queue and the form. The run itself is elsewhere."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers

from bem.lab.models import Experiment
from bem.lab.operations import experiments as operations
from bem.lab.operations.errors import OperationRefused
from bem.web.records.access import WritePage
from bem.web.records.experiment_choices import capacities_of, choices_for
from bem.web.records.experiment_form import ExperimentForm, initial_of, parameter_fields
from bem.web.records.filters import ExperimentFilter
from bem.web.records.foretelling import as_kept, foretell
from bem.web.records.listing import ListPage
from bem.web.records.tables import ExperimentTable, RecordTable

_RECORDS = ("battery", "station", "profile")


class ExperimentList(ListPage):
    """All experiments."""

    table_class = ExperimentTable
    filter_class = ExperimentFilter
    template_name = "records/experiment_list.html"
    empty_template = "records/parts/experiment_empty.html"
    order = "-id"

    def rows(self) -> QuerySet[Any]:
        """Without programs and texts, with what they are made of."""
        return Experiment.objects.select_related("battery", "station", "profile").defer(
            "program",
            "profile_text",
            "channels",
            "expected",
            "profile__text",
            "station__channels",
            "station__definition",
        )

    def table(self, rows: QuerySet[Any]) -> RecordTable:
        """Offer cancelling to those who may."""
        return ExperimentTable(rows, may_write=self.may_write)


class ExperimentCancel(WritePage):
    """Take an experiment out of the queue."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel, then show the list or the page that asked."""
        experiment = get_object_or_404(Experiment, pk=pk)
        try:
            operations.cancel_experiment(request.user, experiment)
        except OperationRefused as refused:
            messages.error(request, f"Not cancelled: {refused}.")
        else:
            messages.success(request, f"Experiment “{experiment}” is cancelled.")
        match request.POST.get("next"):
            case "experiment":
                return redirect("watch:experiment", pk)
            case "station":
                return redirect("watch:station", experiment.station_id)
        return redirect("records:experiment-list")


class ExperimentAdd(WritePage):
    """Queue an experiment. Each choice narrows the next; the server judges all of it again."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form; to htmx only the choices, as they are after the last one made."""
        return _show(request, _form_of(request), request.GET.dict())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Queue it, or show what is wrong."""
        form = ExperimentForm(request.POST)
        if form.is_valid():
            records = {name: form.cleaned_data[name] for name in _RECORDS}
            try:
                experiment = operations.queue_experiment(
                    request.user, **records, **form.settings(), expected=_expected(request)
                )
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Experiment “{experiment}” is queued.")
                return redirect("watch:experiment", experiment.pk)
        return _show(request, form, request.POST.dict())


class ExperimentEdit(WritePage):
    """Change an experiment that waits; its battery and its station stay."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form; to htmx only the choices."""
        experiment = _queued(pk)
        initial = initial_of(experiment)
        typed = {**initial, **request.GET.dict()} | _fixed(experiment)
        return _show(request, ExperimentForm(initial=typed), typed, experiment)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep it, or show what is wrong."""
        experiment = _queued(pk)
        given = request.POST.copy()
        given.update({name: str(value) for name, value in _fixed(experiment).items()})
        form = ExperimentForm(given)
        if form.is_valid():
            try:
                operations.edit_experiment(
                    request.user,
                    experiment,
                    profile=form.cleaned_data["profile"],
                    **form.settings(),
                    expected=_expected(request),
                )
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Experiment “{experiment}” is changed.")
                return redirect("watch:experiment", pk)
        return _show(request, form, given.dict(), experiment)


class ExperimentDryRun(WritePage):
    """What would happen, before anything is queued. Stores nothing."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Calculate it and show it."""
        context = {"foretold": foretell(request.POST.dict()), "is_part": True}
        return render(request, "records/parts/dry_run.html", context)


def _form_of(request: HttpRequest) -> ExperimentForm:
    initial = {name: value for name, value in request.GET.items() if name in ExperimentForm.names()}
    return ExperimentForm(initial=initial)


def _queued(pk: int) -> Experiment:
    return get_object_or_404(
        Experiment.objects.select_related("battery", "station", "profile"), pk=pk
    )


def _fixed(experiment: Experiment) -> dict[str, int]:
    return {"battery": experiment.battery_id, "station": experiment.station_id}


def _expected(request: HttpRequest) -> dict[str, Any] | None:
    """What is kept with the experiment: mostly what the form has shown already."""
    run = foretell(request.POST.dict()).run
    return None if run is None else as_kept(run)


def _show(
    request: HttpRequest,
    form: ExperimentForm,
    typed: Mapping[str, Any],
    experiment: Experiment | None = None,
) -> HttpResponse:
    is_part = request.headers.get("HX-Target") == "experiment-choices"
    template = (
        "records/parts/experiment_choices.html" if is_part else "records/experiment_form.html"
    )
    choices = choices_for(typed, fixed=experiment)
    context = {
        "form": form,
        "experiment": experiment,
        "is_part": is_part,
        "choices": choices,
        "parameters": parameter_fields(choices.profile, typed),
        "capacities": capacities_of(choices.battery),
        # Without scripts a button asks for it; with them it follows by itself.
        "foretold": foretell(typed) if "dry-run" in typed else None,
    }
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
