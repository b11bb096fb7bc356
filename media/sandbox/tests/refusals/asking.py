"""How the tests of refusals ask, and read what they are answered."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
import requests

from media.sandbox.tests.conftest import STRICT

MEBIBYTE = 1024 * 1024
TIMEOUT_SECONDS = 30

strictly = pytest.mark.parametrize("endpoint", STRICT, indirect=True)
at_the_stand_in = pytest.mark.parametrize("endpoint", ["stand_in"], indirect=True)


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Return (status, code) of an error answer, whose body is S3's."""
    root = ElementTree.fromstring(answer.content)
    assert root.tag == "Error"
    assert root.findtext("Message")
    return answer.status_code, root.findtext("Code") or ""


def changed(url: str, **parameters: str) -> str:
    """Return the URL with some query parameters replaced; an empty one is left out."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name.replace("_", "-"): value for name, value in parameters.items()}
    return parts._replace(query=urlencode({name: value for name, value in query.items() if value})).geturl()


def get(url: str, **more: Any) -> requests.Response:
    return requests.get(url, timeout=TIMEOUT_SECONDS, **more)
