"""Who may sign in."""

from django.contrib.auth.models import Group
from django.contrib.auth.models import User as Account
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from bem.lab.operations.errors import Problems, check_fields, refusal
from bem.lab.rights import Role


def anybody() -> bool:
    """Whether there is any account at all."""
    return Account.objects.exists()


def add_user(name: str, role: Role, password: str) -> Account:
    """Let somebody sign in; for the administrator of the machine, who needs no rights in here.

    Raises:
        OperationRefused: the name is wrong or taken, or the password too weak.
    """
    account = Account(username=name)
    problems = Problems()
    check_fields(account, problems, exclude=["password"])
    try:
        validate_password(password, account)
    except ValidationError as error:
        for reason in error.messages:
            problems.add("password", reason)
    problems.refuse_if_any()
    account.set_password(password)
    try:
        with transaction.atomic():
            account.save(force_insert=True)
            account.groups.add(Group.objects.get(name=role.name.lower()))
    except IntegrityError:
        raise refusal(
            f"there is a user {name!r} already: choose another name",
            field="name",
        ) from None
    return account
