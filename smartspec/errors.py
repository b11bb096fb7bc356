"""The base of every error that a service raises on purpose."""

from typing import Any


class DomainError(Exception):
    """A refusal that a person can act on.

    A subclass stands beside the function that raises it and sets `code` (stable, part of the API), `status` (HTTP) and
    `title`; the instance carries the sentence and the numbers that belong to it.
    """

    code: str = "refused"
    status: int = 422
    title: str = "Refused"

    def __init__(self, detail: str, **context: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.context = context
