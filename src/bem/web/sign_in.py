"""Signing in, not too often in vain."""

import hashlib

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from bem.lab.models import Account

_MAX_FAILURES = 10
_FORGET_AFTER_S = 300


class Accounts(ModelBackend):
    """Signs people in whose sessions outlive a change of the secret key."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: object,
    ) -> Account | None:
        """Get the account that this name and password belong to."""
        user = super().authenticate(request, username, password, **kwargs)
        return None if user is None else Account.objects.get(pk=user.pk)

    def get_user(self, user_id: int) -> Account | None:
        """Get the account of a session, unless it may not sign in any more."""
        user = Account.objects.filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None


class SignInForm(AuthenticationForm):
    """User name and password; after ten failures the pair of user and address must wait 5 min.

    Each worker process counts for itself.
    """

    def clean(self) -> dict[str, object]:
        """Check the password, unless there were too many failures.

        Raises:
            ValidationError: wrong name or password, or too many tries.
        """
        key = self._key()
        if cache.get(key, 0) >= _MAX_FAILURES:
            raise ValidationError("Too many failed attempts. Wait five minutes and try again.")
        try:
            cleaned = super().clean()
        except ValidationError:
            cache.add(key, 0, _FORGET_AFTER_S)
            cache.incr(key)
            raise
        cache.delete(key)
        return dict(cleaned or self.cleaned_data)

    def _key(self) -> str:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        who = f"{address}\n{self.cleaned_data.get('username', '')}".casefold()
        return f"sign-in:{hashlib.sha256(who.encode()).hexdigest()}"


class SignIn(LoginView):
    """The sign-in page."""

    form_class = SignInForm
    template_name = "registration/sign_in.html"
    redirect_authenticated_user = True
