"""A bucket that cannot be reached, in place of the transport to the stand-in."""

from typing import Any

from botocore.exceptions import EndpointConnectionError


def refuse(*, url: str, **kwargs: Any) -> Any:
    raise EndpointConnectionError(endpoint_url=url)
