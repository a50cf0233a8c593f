"""The pages of the profiles."""

import re
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string

from bem.domain.battery import BatterySpec, StationSpec
from bem.domain.compiling import check_text, compile_profile
from bem.domain.profile.completion import complete
from bem.domain.profile.document import from_yaml, to_yaml
from bem.domain.profile.model import Driven
from bem.domain.profile.model import Profile as Parsed
from bem.domain.profile.printing import print_profile
from bem.domain.profile.problems import Problem, ProfileErrors
from bem.domain.profile.table import read_table_csv
from bem.domain.profile.text import parse_profile, read_profile
from bem.lab.models import Battery, Profile, Station
from bem.lab.operations import profiles as operations
from bem.lab.operations.errors import OperationRefused
from bem.web.records.access import RolePage, WritePage
from bem.web.records.batteries import SHOWN_EXPERIMENTS, count_of_experiments
from bem.web.records.examples import EXAMPLES
from bem.web.records.filters import ProfileFilter
from bem.web.records.forms import ProfileForm, chosen, chosen_row, number_in
from bem.web.records.listing import ListPage
from bem.web.records.outline import Outline, outline_of_profile, outline_of_program
from bem.web.records.tables import ProfileTable

MAX_TEXT = 200_000
MOST_PROPOSALS = 40


class ProfileList(ListPage):
    """All profiles."""

    table_class = ProfileTable
    filter_class = ProfileFilter
    template_name = "records/profile_list.html"
    empty_template = "records/parts/profile_empty.html"
    order = "name"

    def rows(self) -> QuerySet[Any]:
        """Without the texts, with the number of experiments."""
        return (
            Profile.objects.defer("text")
            .select_related("created_by")
            .annotate(experiment_count=count_of_experiments("profile"))
        )


class ProfilePage(RolePage):
    """One profile, its steps and its newest experiments."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show it."""
        profile = get_object_or_404(Profile.objects.select_related("created_by"), pk=pk)
        experiments = profile.experiments.select_related("station", "battery", "profile").defer(
            "program", "profile_text", "channels", "profile__text"
        )
        _, outline = examine(profile.text, None, None)
        context = {
            "yaml": as_yaml(profile),
            "profile": profile,
            "profile_number": str(profile.pk),
            "outline": outline,
            "experiments": experiments[:SHOWN_EXPERIMENTS],
            "experiment_count": profile.experiments.count(),
        }
        return render(request, "records/profile.html", context)


class ProfileYaml(RolePage):
    """A profile as YAML, to take away."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send it as a file."""
        profile = get_object_or_404(Profile, pk=pk)
        document = as_yaml(profile)
        if document is None:
            messages.error(request, "The text of this profile cannot be read any more: edit it.")
            return redirect("records:profile", pk)
        plain = re.sub(r"[^A-Za-z0-9]+", "-", profile.name).strip("-") or "profile"
        return HttpResponse(
            document,
            content_type="application/yaml; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{plain[:60]}.yaml"'},
        )


class ProfileAdd(WritePage):
    """Write a new profile."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the editor, with a copy of another profile if ``copy`` names one."""
        initial = {}
        source = chosen_row(request, "copy", Profile.objects.all())
        if source is not None:
            initial = {
                "name": f"{source.name} (copy)"[:64],
                "description": source.description,
                "text": source.text,
            }
        return _show(request, ProfileForm(initial=initial), None)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store it, or show what is wrong."""
        form = ProfileForm(request.POST)
        if form.is_valid() and "check" not in request.POST:
            try:
                profile = operations.add_profile(request.user, form.to_input())
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Profile “{profile}” is added.")
                return redirect("records:profile", profile.pk)
        return _show(request, form, None)


class ProfileEdit(WritePage):
    """Change a profile."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the editor."""
        profile = get_object_or_404(Profile, pk=pk)
        initial = {
            "name": profile.name,
            "description": profile.description,
            "text": profile.text,
            # As text: the widget would drop the microseconds, and with them the comparison.
            "seen": profile.updated_at.isoformat(),
        }
        return _show(request, ProfileForm(initial=initial), profile)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Store it, or show what is wrong."""
        profile = get_object_or_404(Profile, pk=pk)
        form = ProfileForm(request.POST)
        if form.is_valid() and "check" not in request.POST:
            try:
                operations.edit_profile(
                    request.user, profile, form.to_input(), seen=form.cleaned_data["seen"]
                )
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                messages.success(request, f"Profile “{form.cleaned_data['name']}” is changed.")
                return redirect("records:profile", pk)
        return _show(request, form, profile)


class ProfileRetire(WritePage):
    """Take a profile out of use."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Retire, then show the profile."""
        profile = get_object_or_404(Profile, pk=pk)
        operations.retire_profile(request.user, profile)
        messages.success(request, f"Profile “{profile}” is retired.")
        return redirect("records:profile", pk)


class ProfileRestore(WritePage):
    """Take a retired profile into use again."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Restore, then show the profile."""
        profile = get_object_or_404(Profile, pk=pk)
        operations.restore_profile(request.user, profile)
        messages.success(request, f"Profile “{profile}” is in use again.")
        return redirect("records:profile", pk)


class ProfileCheck(RolePage):
    """Judge a text as somebody types it. Stores nothing."""

    http_method_names = ["post", "options"]
    writes = RolePage.reads

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with the problems, and the outline of what could be read as HTML."""
        text = request.POST.get("text", "").replace("\r\n", "\n")
        if len(text) > MAX_TEXT:
            problem = Problem(
                line=1,
                column=1,
                end_column=1,
                message=f"the text has {len(text)} characters, at most {MAX_TEXT} are taken: "
                "use loops",
            )
            return JsonResponse({"problems": [problem.model_dump()], "outline": ""})
        battery, station = _against(request)
        problems, outline = examine(text, battery, station)
        shown = render_to_string(
            "records/parts/outline.html", {"outline": outline}, request=request
        )
        return JsonResponse(
            {"problems": [problem.model_dump() for problem in problems], "outline": shown}
        )


class ProfileComplete(RolePage):
    """What may be typed next. Stores nothing."""

    http_method_names = ["post", "options"]
    writes = RolePage.reads

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with proposals, the likeliest first."""
        text = request.POST.get("text", "").replace("\r\n", "\n")
        place = [number_in(request.POST.get(name, "")) for name in ("line", "column")]
        line, column = (one or 0 for one in place)
        found = complete(text, line, column) if len(text) <= MAX_TEXT else []
        return JsonResponse({"proposals": [asdict(one) for one in found[:MOST_PROPOSALS]]})


class ProfileRead(RolePage):
    """What was written elsewhere, as text: a YAML document, or a drive cycle. Stores nothing."""

    http_method_names = ["post", "options"]
    writes = RolePage.reads

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with the text, or with what is wrong by its line in what was sent."""
        content = request.POST.get("content", "")
        drives = request.POST.get("drives", "")
        try:
            if request.POST.get("kind") == "yaml":
                profile = from_yaml(content)
            else:
                driven = Driven(drives) if drives in set(Driven) else Driven.CURRENT
                profile = Parsed(body=(read_table_csv(content, driven),))
        except ProfileErrors as error:
            problems = [problem.model_dump() for problem in error.problems]
            return JsonResponse({"text": "", "problems": problems})
        return JsonResponse({"text": print_profile(profile), "problems": []})


def as_yaml(profile: Profile) -> str | None:
    """The YAML document of a stored profile; ``None`` if its text cannot be read any more."""
    try:
        return to_yaml(parse_profile(profile.text))
    except ProfileErrors:
        return None


def examine(
    text: str, battery: BatterySpec | None, station: StationSpec | None
) -> tuple[list[Problem], Outline]:
    """Find what is wrong with a text, and overview it: in amperes where it compiles."""
    problems = check_text(text, battery, station)
    profile, _ = read_profile(text)
    if not problems and battery is not None and station is not None:
        program = compile_profile(profile, battery, station)
        return problems, outline_of_program(profile, program)
    return problems, outline_of_profile(profile)


def _against(request: HttpRequest) -> tuple[BatterySpec | None, StationSpec | None]:
    batteries = Battery.objects.select_related("lithium", "lead_acid")
    battery = chosen_row(request, "battery", batteries)
    station = chosen_row(request, "station", Station.objects.all())
    return (battery.spec() if battery else None, station.spec() if station else None)


def _show(request: HttpRequest, form: ProfileForm, profile: Profile | None) -> HttpResponse:
    text = str(form["text"].value() or "")
    battery, station = _against(request)
    problems, outline = examine(text[:MAX_TEXT], battery, station) if text else ([], None)
    context = {
        "form": form,
        "profile": profile,
        "problems": problems,
        "outline": outline,
        "examples": EXAMPLES,
        "batteries": Battery.objects.filter(retired_at__isnull=True).only("name", "serial_number"),
        "stations": Station.objects.filter(present=True).only("name"),
        "battery_pk": chosen(request, "battery"),
        "station_pk": chosen(request, "station"),
    }
    return render(request, "records/profile_form.html", context)
