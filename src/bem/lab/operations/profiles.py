"""Write, change and retire profiles."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from bem.domain.compiling import check_text
from bem.domain.profile.problems import Problem
from bem.lab.models import Profile
from bem.lab.operations.errors import OperationRefused, Problems, check_fields, refusal
from bem.lab.rights import Role, User, require


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInput:
    """A profile as a person writes it."""

    name: str
    text: str
    description: str = ""


def add_profile(user: User, given: ProfileInput) -> Profile:
    """Store a new profile.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the text does not parse (with line and column), or the name is taken.
    """
    require(user, Role.OPERATOR)
    profile = Profile(created_by_id=user.pk)
    _apply(profile, given)
    try:
        with transaction.atomic():
            profile.save(force_insert=True)
    except IntegrityError as error:
        raise _taken(profile) from error
    return profile


def edit_profile(
    user: User, profile: Profile, given: ProfileInput, *, seen: datetime | None = None
) -> Profile:
    """Change a profile. Experiments keep the text with which they were queued.

    ``seen``: ``updated_at`` of what the user looked at, so that nobody overwrites what somebody
    else wrote meanwhile; ``None`` does not check.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: as in :func:`add_profile`; changed by somebody else since ``seen``; gone.
    """
    require(user, Role.OPERATOR)
    try:
        with transaction.atomic():
            kept = _lock(profile)
            if seen is not None and kept.updated_at != seen:
                raise refusal(
                    "somebody else changed this profile at "
                    f"{kept.updated_at:%Y-%m-%d %H:%M:%S} UTC: copy your text, "
                    "load the page again and put your changes in"
                )
            _apply(kept, given)
            kept.save()
            return kept
    except IntegrityError as error:
        raise _taken(profile) from error


def retire_profile(user: User, profile: Profile) -> None:
    """Take a profile out of use; experiments that use it are not touched. Idempotent.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the profile is gone.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(profile)
        if kept.retired_at is None:
            kept.retired_at = timezone.now()
            kept.save(update_fields=["retired_at"])


def restore_profile(user: User, profile: Profile) -> None:
    """Take a retired profile into use again. Idempotent.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the profile is gone.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(profile)
        kept.retired_at = None
        kept.save(update_fields=["retired_at"])


def explain(problem: Problem) -> str:
    """Say in one line where a text is wrong, what was expected and what might have been meant."""
    said = str(problem)
    if problem.expected:
        said += f"; expected {', or '.join(problem.expected)}"
    if problem.suggestion is not None:
        said += f"; perhaps “{problem.suggestion}”"
    return said


def _lock(profile: Profile) -> Profile:
    try:
        return Profile.objects.select_for_update().get(pk=profile.pk)
    except Profile.DoesNotExist:
        raise refusal(f"profile “{profile}” is not there any more: choose another") from None


def _apply(profile: Profile, given: ProfileInput) -> None:
    """Put what was given into a row that is not saved yet, and check it."""
    profile.name = given.name.strip()
    profile.description = given.description.strip()
    profile.text = given.text.replace("\r\n", "\n").replace("\r", "\n")
    problems = Problems()
    check_fields(profile, problems, exclude=["created_by"])
    if "text" not in problems:
        for problem in check_text(profile.text):
            problems.add("text", explain(problem))
    if "name" not in problems and (
        Profile.objects.filter(name=profile.name).exclude(pk=profile.pk).exists()
    ):
        problems.add("name", _taken_reason(profile))
    problems.refuse_if_any()


def _taken(profile: Profile) -> OperationRefused:
    return refusal(
        _taken_reason(profile),
        field="name",
    )


def _taken_reason(profile: Profile) -> str:
    return f"there is a profile “{profile.name}” already: choose another name, or edit that one"
