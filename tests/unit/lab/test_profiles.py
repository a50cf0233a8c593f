"""Profiles: only what can be read is stored; nobody overwrites what they have not seen."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models.signals import pre_save

from bem.lab.models import Profile
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.profiles import (
    ProfileInput,
    add_profile,
    edit_profile,
    restore_profile,
    retire_profile,
)

GOOD = ProfileInput(name="P", text="Rest for 1 hour\n", description="d")


def test_a_profile_is_stored_as_written(operator: User) -> None:
    add_profile(operator, ProfileInput(name=" P ", text="# why\r\nRest for 1 hour\r\n"))
    stored = Profile.objects.get()
    assert (stored.name, stored.text) == ("P", "# why\nRest for 1 hour\n")
    assert stored.created_by == operator


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Rest for 1 hour\n  Chrge at 1 A until 4 V", ["line 2", "column 3"]),
        ("Rest for 1 hour\nRest until", ["line 2", "column"]),
        ("", ["blank"]),
        ("# nothing", ["no steps"]),
        ("Rest for 1 hour\x00", ["NUL"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    operator: User, text: str, words: list[str]
) -> None:
    with pytest.raises(OperationRefused) as refused:
        add_profile(operator, ProfileInput(name="P", text=text))
    assert list(refused.value.problems) == ["text"]
    for word in words:
        assert word in str(refused.value)
    assert not Profile.objects.exists()


def test_a_name_is_taken_once(operator: User) -> None:
    add_profile(operator, GOOD)
    with pytest.raises(OperationRefused, match="name: there is a profile “P” already"):
        add_profile(operator, GOOD)
    other = add_profile(operator, ProfileInput(name="Q", text=GOOD.text))
    with pytest.raises(OperationRefused, match="“P” already"):
        edit_profile(operator, other, GOOD)
    assert Profile.objects.filter(name="P").count() == 1


def test_who_loses_a_race_for_a_name_is_refused(operator: User) -> None:
    def somebody_is_faster(**_: object) -> None:
        pre_save.disconnect(somebody_is_faster, Profile)
        add_profile(operator, GOOD)

    pre_save.connect(somebody_is_faster, Profile)
    with pytest.raises(OperationRefused, match="“P” already"):
        add_profile(operator, GOOD)
    # The faster one shares the only connection here, and so went with the refused one.
    assert not Profile.objects.exists()


def test_a_change_made_meanwhile_is_not_overwritten(operator: User) -> None:
    profile = add_profile(operator, GOOD)
    seen = profile.updated_at
    edit_profile(operator, profile, ProfileInput(name="P", text="Rest for 2 hours\n"), seen=seen)
    with pytest.raises(OperationRefused, match="somebody else changed"):
        edit_profile(operator, profile, GOOD, seen=seen)
    assert Profile.objects.get().text == "Rest for 2 hours\n"


def test_retiring_and_restoring(operator: User) -> None:
    profile = add_profile(operator, GOOD)
    retire_profile(operator, profile)
    assert Profile.objects.get().retired_at is not None
    restore_profile(operator, profile)
    assert Profile.objects.get().retired_at is None


def test_viewers_write_no_profiles(viewer: User, operator: User) -> None:
    with pytest.raises(PermissionDenied, match="operator"):
        add_profile(viewer, GOOD)
    profile = add_profile(operator, GOOD)
    with pytest.raises(PermissionDenied):
        edit_profile(viewer, profile, GOOD)
    for change in (retire_profile, restore_profile):
        with pytest.raises(PermissionDenied):
            change(viewer, profile)
