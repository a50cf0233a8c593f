"""Who may sign in, as the pages know them."""

from collections.abc import Iterator

from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac

_SALT = "bem.lab.models.accounts.Account"


class Account(User):
    """A user whose sessions outlive a change of the laboratory's secret key.

    Django ties a session to the user's password by a hash under the secret key, and gives the
    session another name when the key has changed: a page that asks twice at once is then signed
    out. This hash changes with the password alone. It stays on the server, beside the password's
    own hash, so a key would protect nothing.
    """

    class Meta:
        proxy = True

    def get_session_auth_hash(self) -> str:
        """Get what ties a session to the present password."""
        return salted_hmac(_SALT, self.password, secret="", algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Get what tied sessions that began before there was the hash above."""
        yield User.get_session_auth_hash(self)
        yield from User.get_session_auth_fallback_hash(self)
