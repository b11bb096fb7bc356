"""Our own calls to the stand-in, inside this process: the transport that `media/storage` hands its requests to."""

import io
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.utils import timezone

from media.sandbox import dispatch
from media.sandbox.messages import Request

DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Body(io.RawIOBase):
    """The pieces of an answer as botocore reads them: with `read`, or as a `stream`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def read(self, size: int | None = -1, /) -> bytes | None:
        return super().read(-1 if size is None else size)

    def stream(self) -> Iterator[bytes]:
        yield self.readall()


def send_in_process(
    *, method: str, url: str, headers: Mapping[str, Any], body: Any
) -> tuple[int, dict[str, str], Body]:
    """Answer one request of botocore's; `url` is absolute and begins with `CLOUDFLARE_R2_ENDPOINT`."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    bucket, _, key = path.removeprefix(urlsplit(settings.CLOUDFLARE_R2_ENDPOINT).path).removeprefix("/").partition("/")
    lowered = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()
    }
    host = parts.netloc.removesuffix(DEFAULT_PORTS.get(parts.scheme, ""))
    answered = dispatch.answer(
        Request(
            method=method,
            path=path,
            bucket=bucket,
            key=key,
            query=parse_qsl(parts.query, keep_blank_values=True),
            headers={"host": host} | lowered,
            body=body if hasattr(body, "read") else io.BytesIO(body.encode() if isinstance(body, str) else body or b""),
        ),
        now=timezone.now(),
    )
    return answered.status, answered.headers, Body(iter(answered.body))
