"""What RabbitMQ wants to know of an account, for the template of its definitions."""

import base64
import hashlib
from collections.abc import Callable


def password_hash(password: str, account: str) -> str:
    """Get the salted SHA-512 hash of a password in RabbitMQ's form (base64).

    The salt comes from the account's name: the same password gives the same hash, so that a second
    run changes nothing, and equal passwords of two accounts differ. It need not be random, because
    the passwords are (238 bits): there is no list of them to compare with.
    """
    salt = hashlib.sha256(f"bem broker account {account}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha512(salt + password.encode()).digest()).decode()


class FilterModule:
    """The filters of this role."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Get the filters by name."""
        return {"rabbitmq_password_hash": password_hash}
