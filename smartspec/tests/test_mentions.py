"""A text names somebody when their address stands in it as a whole."""

import pytest

from smartspec.mentions import mentions, without
from smartspec.models import JobFailure

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text",
    [
        "e@gmail.com",
        "E@Gmail.com",
        '{"email": "e@gmail.com"}',
        r"{\"note\": \"Call\ne@gmail.com\"}",
        "Mail to e@gmail.com.",
        "<e@gmail.com>, who",
        "for=e@gmail.com&to",
        "KeyError: 'e@gmail.com'",
    ],
)
def test_is_found(text: str) -> None:
    assert is_named_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "joe@gmail.com",
        "joe.e@gmail.com",
        "joe+e@gmail.com",
        "jo-e@gmail.com",
        "ée@gmail.com",
        r"{\"name\": \"\u00e9e@gmail.com\"}",
        "e@gmail.comet",
        "e@gmail.com.au",
        "e@gmail.com-x.test",
        "e@gmailxcom",
    ],
)
def test_is_somebody_else(text: str) -> None:
    assert not is_named_in(text)


def test_of_an_id_is_the_whole_id() -> None:
    assert is_named_in('{"customer": "cus_1"}', "cus_1")
    assert not is_named_in('{"customer": "cus_12"}', "cus_1")


def is_named_in(text: str, word: str = "e@gmail.com") -> bool:
    failure = JobFailure(job_id=1, attempts=1, error=text, failed_at="2026-01-01T00:00Z")
    failure.save()
    is_named = JobFailure.objects.filter(mentions("error", word)).exists()
    assert is_named == (without(text, word, "…") != text)
    return is_named


def test_nobody_is_named_where_something_else_is_put() -> None:
    assert without("Mail to e@gmail.com, E@gmail.com.", "e@gmail.com", r"\1") == r"Mail to \1, \1."
    assert without("Mail to nobody", "", "somebody") == "Mail to nobody"
