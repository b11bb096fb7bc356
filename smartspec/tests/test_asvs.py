"""docs/security.md accounts for every requirement of OWASP's ASVS 4.0.3, levels 1 and 2, and for nothing else."""

import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

PAGE = (Path(settings.BASE_DIR) / "docs/security.md").read_text()
# The last number of each section, and those before it that are deleted or of level 3.
SECTIONS = {
    "1.1": (7,), "1.2": (4,), "1.4": (5, 2, 3), "1.5": (4,), "1.6": (4,), "1.7": (2,), "1.8": (2,), "1.9": (2,),
    "1.10": (1,), "1.11": (2,), "1.12": (2, 1), "1.14": (6,),
    "2.1": (12,), "2.2": (3,), "2.3": (3,), "2.4": (5,), "2.5": (7,), "2.6": (3,), "2.7": (6,), "2.8": (7,),
    "2.9": (3,), "2.10": (4,),
    "3.1": (1,), "3.2": (4,), "3.3": (4,), "3.4": (5,), "3.5": (3,), "3.7": (1,),
    "4.1": (5, 4), "4.2": (2,), "4.3": (3,),
    "5.1": (5,), "5.2": (8,), "5.3": (10,), "5.4": (3,), "5.5": (4,),
    "6.1": (3,), "6.2": (6,), "6.3": (2,), "6.4": (2,),
    "7.1": (4,), "7.2": (2,), "7.3": (4, 2), "7.4": (3,),
    "8.1": (4,), "8.2": (3,), "8.3": (8,),
    "9.1": (3,), "9.2": (4,),
    "10.2": (2,), "10.3": (3,),
    "11.1": (8,),
    "12.1": (3,), "12.2": (1,), "12.3": (6,), "12.4": (2,), "12.5": (2,), "12.6": (1,),
    "13.1": (5, 2), "13.2": (6, 4), "13.3": (2,), "13.4": (2,),
    "14.1": (4,), "14.2": (6,), "14.3": (3, 1), "14.4": (7,), "14.5": (4,),
}  # fmt: skip
NUMBER = r"\d+\.\d+\.\d+"
NUMBERS = re.compile(rf"^(?:\| |- )((?:{NUMBER}(?:–{NUMBER})?(?:, )?)+)(?: \||:)", re.MULTILINE)


def required() -> set[str]:
    """Return every number of the standard's levels 1 and 2."""
    return {
        f"{section}.{number}"
        for section, (last, *left_out) in SECTIONS.items()
        for number in range(1, last + 1)
        if number not in left_out
    }


def spread(span: str) -> list[str]:
    """Return the numbers of `2.1.1–2.1.4`, or the one of `2.1.1`."""
    first, _, last = span.partition("–")
    section, number = first.rsplit(".", 1)
    until = (last or first).rsplit(".", 1)
    assert until[0] == section, span
    return [f"{section}.{one}" for one in range(int(number), int(until[1]) + 1)]


def accounted_for(text: str) -> Counter[str]:
    """Return how often each number stands at the head of a row or of a point."""
    return Counter(one for row in NUMBERS.findall(text) for span in row.split(", ") for one in spread(span))


def test_the_standard_has_259_requirements_of_levels_1_and_2() -> None:
    assert len(required()) == 259


def test_every_requirement_stands_on_the_page_once_and_no_other_does() -> None:
    found = accounted_for(PAGE)
    assert required() - set(found) == set()
    assert set(found) - required() == set()
    assert [number for number, times in found.items() if times > 1] == []


def test_no_number_stands_where_it_is_not_counted() -> None:
    text = PAGE.replace("Verification Standard 4.0.3", "")
    assert len(re.findall(NUMBER, text)) == sum(len(re.findall(NUMBER, row)) for row in NUMBERS.findall(text))


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        ("| 2.1.1–2.1.3, 2.1.9 | Passwords | `x` |", ["2.1.1", "2.1.2", "2.1.3", "2.1.9"]),
        ("- 2.1.7: not with all that has leaked", ["2.1.7"]),
        ("Under 2.1.7 it says", []),
    ],
)
def test_rows_and_points_are_read(row: str, numbers: list[str]) -> None:
    assert sorted(accounted_for(row)) == numbers
