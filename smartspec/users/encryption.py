"""Encryption of what must be read again, such as the secrets of second factors: a copy of the database tells nothing.

Its key follows from SECRET_KEY. While that is rolled, what one of SECRET_KEY_FALLBACKS encrypted is still read.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """It was encrypted under a key that this server does not have any more."""


def encrypt(text: str) -> str:
    return cipher().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Return what was encrypted.

    :raises Unreadable: by none of our keys.
    """
    try:
        return cipher().decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def reencrypt(encrypted: str) -> str:
    """Return the same, encrypted under the present key alone.

    :raises Unreadable: by none of our keys.
    """
    try:
        return cipher().rotate(encrypted.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def cipher() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(urlsafe_b64encode(sha256(f"second factor {key}".encode()).digest())) for key in keys])
