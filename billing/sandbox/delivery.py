"""Ways to bring a webhook to its address; `STRIPE_SANDBOX_TRANSPORT` names one of them.

Each takes the URL, the headers and the body, and returns the HTTP status (0 when there was no answer) and its text.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from django.conf import settings

TIMEOUT_SECONDS = 20


def post_over_http(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """This will POST to wherever the URL leads."""
    try:
        answer = requests.post(url, data=body, headers=dict(headers), timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return 0, str(error)
    return answer.status_code, answer.text


def post_by_shortest_way(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """This will reach this server's own views in this process, whether or not it is running, and others over HTTP."""
    post = post_in_process if url.startswith(f"{settings.SITE_URL}/") else post_over_http
    return post(url, headers, body)


def post_in_process(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """This will call the view behind the URL's path in this process: for tests, where no server runs."""
    from django.test import Client

    parts = urlsplit(url)
    content_type = headers.get("Content-Type", "application/json")
    rest = {name: value for name, value in headers.items() if name != "Content-Type"} | {"Host": parts.netloc}
    client = Client(raise_request_exception=False)
    answer = client.post(parts.path, data=body, content_type=content_type, headers=rest, secure=parts.scheme == "https")
    return answer.status_code, answer.content.decode(errors="replace")
