"""What may happen at the bucket, in place of the transport to the stand-in."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import EndpointConnectionError

from media.sandbox.client import send_in_process

happen_first: list[Callable[[], None]] = []


def refuse(*, url: str, **kwargs: Any) -> Any:
    """Be a bucket that cannot be reached."""
    raise EndpointConnectionError(endpoint_url=url)


def linger(**kwargs: Any) -> Any:
    """Be a bucket that answers after what is in `happen_first` has happened, once."""
    while happen_first:
        happen_first.pop()()
    return send_in_process(**kwargs)
