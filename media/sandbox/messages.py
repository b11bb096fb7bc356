"""A request to the stand-in and its answer, whichever way they travel."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class Readable(Protocol):
    """The body of a request: read once, from front to back."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Request:
    """`path` and `query` are decoded, as the signature wants them; header names are in lower case."""

    method: str
    path: str
    bucket: str
    key: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Readable

    @property
    def parameters(self) -> dict[str, str]:
        return dict(self.query)


@dataclass
class Answer:
    """`body` is sent piece by piece, so that a large object never lies in memory."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
