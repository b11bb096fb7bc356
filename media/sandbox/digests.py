"""What a body must hash to: as its signature says, as Content-MD5 says, as the newer checksum headers say."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from media.sandbox.errors import S3Error
from media.sandbox.messages import Request
from media.sandbox.signing import UNSIGNED_PAYLOAD

CHECKSUM_PREFIX = "x-amz-checksum-"
NOT_CHECKSUMS = ("x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type")


class Hash(Protocol):
    def update(self, piece: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Crc32:
    """CRC-32 in the shape of hashlib's hashes."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes, /) -> None:
        self._value = zlib.crc32(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def md5() -> Hash:
    return hashlib.md5(usedforsecurity=False)


HASHES: dict[str, Callable[[], Hash]] = {
    "md5": md5,
    "crc32": Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


@dataclass(frozen=True)
class Expected:
    """The digest that a body must have, and S3's code for when it has another."""

    algorithm: str
    digest: bytes
    code: str


def expected_digests(request: Request, payload_hash: str) -> list[Expected]:
    """Return every digest that the request announces.

    :raises S3Error: InvalidDigest; NotImplemented for an algorithm that is not known here.
    """
    found = []
    if payload_hash != UNSIGNED_PAYLOAD:
        found.append(Expected("sha256", bytes.fromhex(payload_hash), "XAmzContentSHA256Mismatch"))
    if text := request.headers.get("content-md5"):
        found.append(Expected("md5", decode(text), "BadDigest"))
    for name, text in request.headers.items():
        if name.startswith(CHECKSUM_PREFIX) and name not in NOT_CHECKSUMS:
            algorithm = name.removeprefix(CHECKSUM_PREFIX)
            if algorithm not in HASHES:
                raise S3Error("NotImplemented", f"The header {name!r} is not implemented.")
            found.append(Expected(algorithm, decode(text), "BadDigest"))
    return found


def decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise S3Error("InvalidDigest") from None


class Hashing:
    """Hashes a body while it passes by."""

    def __init__(self, expected: list[Expected]) -> None:
        self._expected = expected
        self._hashes = {name: HASHES[name]() for name in {"md5", *(each.algorithm for each in expected)}}

    def update(self, piece: bytes) -> None:
        for each in self._hashes.values():
            each.update(piece)

    def md5(self) -> str:
        return self._hashes["md5"].digest().hex()

    def require(self) -> None:
        """:raises S3Error: the body is not what was announced."""
        for each in self._expected:
            if self._hashes[each.algorithm].digest() != each.digest:
                raise S3Error(each.code)
