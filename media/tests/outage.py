"""What may happen at the bucket, in place of the transport to the stand-in."""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import EndpointConnectionError

from media.sandbox.client import Body, send_in_process
from media.storage import get_r2_client

happen_first: list[Callable[[], None]] = []
kept_keys: set[str] = set()

DENIED = "<Code>AccessDenied</Code><Message>The file is locked.</Message>"


def refuse(*, url: str, **kwargs: Any) -> Any:
    """Be a bucket that cannot be reached."""
    raise EndpointConnectionError(endpoint_url=url)


def linger(**kwargs: Any) -> Any:
    """Be a bucket that answers after what is in `happen_first` has happened, once."""
    while happen_first:
        happen_first.pop()()
    return send_in_process(**kwargs)


def answer_late(**kwargs: Any) -> Any:
    """Be a bucket whose answer arrives after what is in `happen_first` has happened, once."""
    answer = send_in_process(**kwargs)
    while happen_first:
        happen_first.pop()()
    return answer


def delete_late(*, method: str, **kwargs: Any) -> Any:
    """Be a bucket where a deletion comes after what is in `happen_first` has happened, once."""
    return (linger if method == "DELETE" else send_in_process)(method=method, **kwargs)


def refuse_deletions(*, method: str, **kwargs: Any) -> Any:
    """Be a bucket that cannot be reached when something is to be deleted."""
    return (refuse if method == "DELETE" else send_in_process)(method=method, **kwargs)


def keep(*, method: str, url: str, body: Any, **kwargs: Any) -> Any:
    """Be a bucket that deletes nothing of what is in `kept_keys`."""
    if method == "DELETE" and any(key in url for key in kept_keys):
        return 403, {}, Body(iter([f"<Error>{DENIED}</Error>".encode()]))
    if method == "POST" and "?delete" in url:
        keys = set(re.findall("<Key>(.*?)</Key>", body.decode()))
        for key in keys - kept_keys:
            get_r2_client().delete_file(key)
        errors = "".join(f"<Error><Key>{key}</Key>{DENIED}</Error>" for key in sorted(keys & kept_keys))
        return 200, {}, Body(iter([f"<DeleteResult>{errors}</DeleteResult>".encode()]))
    return send_in_process(method=method, url=url, body=body, **kwargs)
