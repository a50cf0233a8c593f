"""Sessions of those signed in: Django's own, in the database, whichever the secret key."""

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.core import signing
from django.utils.encoding import force_str


class SessionStore(db.SessionStore):
    """Signs a session anew under the present secret key as soon as it is used.

    Else one that began two changes of the key ago could not be read any more.
    """

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Get the content; that of a session nobody can read is empty."""
        try:
            content: dict[str, Any] = signing.loads(
                force_str(session_data),
                key=settings.SECRET_KEY,
                salt=self.key_salt,
                serializer=self.serializer,
                fallback_keys=[],
            )
        except signing.BadSignature:
            content = super().decode(session_data)
            self.modified = bool(content)
        return content
