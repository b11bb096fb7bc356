"""API keys: what they look like, how they are stored, who may hold which scope. No database here.

A key is `<kind>_<8 characters>_<43 characters>`. Everything before the last underscore is its prefix, by which it is
found and named; the last part is 256 random bits, so plain SHA-256 of the whole is as hard to undo as any slower hash.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

ALPHABET = string.ascii_letters + string.digits
SERVICE_KIND = "ssk"
USER_KIND = "suk"
PREFIX_CHARACTERS = 8
SECRET_CHARACTERS = 43  # 62**43 is just above 2**256
KEY_PATTERN = re.compile(rf"((?:{SERVICE_KIND}|{USER_KIND})_[A-Za-z0-9]{{8}})_[A-Za-z0-9]{{43}}", re.ASCII)
BEGINS_AS_KEY = re.compile(rf"((?:{SERVICE_KIND}|{USER_KIND})_[A-Za-z0-9]{{8}})_")

SPEND = "credits:spend"
MEDIA = "media:write"
READ = "read"
SERVICE_SCOPES = (SPEND, MEDIA, READ)
USER_SCOPES = (READ, MEDIA)


@dataclass(frozen=True)
class NewKey:
    """A key that was just made. `text` is the only copy."""

    text: str
    prefix: str
    digest: str


def make_key(kind: str) -> NewKey:
    """Make a key of a kind, SERVICE_KIND or USER_KIND."""
    prefix = f"{kind}_{random_text(PREFIX_CHARACTERS)}"
    text = f"{prefix}_{random_text(SECRET_CHARACTERS)}"
    return NewKey(text=text, prefix=prefix, digest=digest(text))


def prefix_of(text: str) -> str | None:
    """Return the prefix of something that has a key's form, or None."""
    match = KEY_PATTERN.fullmatch(text)
    return match.group(1) if match else None


def without_secret(text: str) -> str:
    """Return the prefix of what begins as a key, also of one that was copied in part; anything else as it is."""
    match = BEGINS_AS_KEY.match(text)
    return match.group(1) if match else text


def digest(text: str) -> str:
    """Return what is stored of a secret: its SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, stored_digest: str) -> bool:
    """Tell whether a secret is the one that was stored, in a time that does not depend on where they differ."""
    return hmac.compare_digest(digest(text), stored_digest)


def random_text(characters: int) -> str:
    """Return so many unguessable letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))
