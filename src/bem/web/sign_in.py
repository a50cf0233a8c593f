"""Signing in, not too often in vain."""

import hashlib

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.core.exceptions import ValidationError

_MAX_FAILURES = 10
_FORGET_AFTER_S = 300


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
