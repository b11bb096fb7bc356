"""Thai is whole: every string has its translation, and the compiled catalogue is the one that was written."""

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils import translation
from django.utils.translation.template import templatize

from smartspec import clock
from smartspec.templatetags.amounts import credits_text, grammatical_number, money, time_left

BASE_DIR = Path(settings.BASE_DIR)
CATALOGUE = BASE_DIR / "locale" / "th" / "LC_MESSAGES"
KEYWORDS = ("gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy")
HOW_TO = (
    "manage.py makemessages -l th --no-location --no-obsolete -i '.venv*' -i '*/tests/*', translate, compilemessages"
)


@pytest.fixture(scope="module")
def written() -> Catalog:
    with (CATALOGUE / "django.po").open("rb") as file:
        return read_po(file, locale="th")


def sources() -> Iterator[str]:
    """Yield everything that may hold a string to translate, as Python."""
    for path in (BASE_DIR / "templates").rglob("*"):
        if path.suffix in (".html", ".txt"):
            yield templatize(path.read_text(), origin=str(path))
    for app in ("smartspec", "credits", "billing", "media"):
        for path in (BASE_DIR / app).rglob("*.py"):
            if "tests" not in path.parts:
                yield path.read_text()


def used() -> set[str]:
    """Return every string that code and templates mark for translation."""
    found = set()
    for source in sources():
        for _, function, messages, _ in extract_python(io.BytesIO(source.encode()), dict.fromkeys(KEYWORDS), [], {}):
            texts = [messages] if isinstance(messages, str) else [text for text in messages or () if text]
            if texts:
                found.add(texts[1] if str(function).startswith("pgettext") else texts[0])
    return found


def forms(strings: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [strings] if isinstance(strings, str) else list(strings or ())


def texts_of(catalog: Catalog) -> list[tuple[str, list[str]]]:
    """Return every string with its translations; one string may stand in several contexts."""
    return sorted((forms(message.id)[0], forms(message.string)) for message in catalog if message.id)


class TestThai:
    def test_has_every_string(self, written: Catalog) -> None:
        known = {forms(message.id)[0] for message in written if message.id}
        assert used() - known == set(), HOW_TO
        assert known - used() == set(), HOW_TO

    def test_leaves_none_untranslated_or_in_doubt(self, written: Catalog) -> None:
        # What msgmerge guessed from: its own tools refuse the file when a part of it is left behind.
        assert "#|" not in (CATALOGUE / "django.po").read_text()
        open_messages = [m.id for m in written if m.id and (m.fuzzy or not all(forms(m.string)))]
        assert open_messages == [], HOW_TO

    def test_keeps_every_placeholder(self, written: Catalog) -> None:
        for message in written:
            if message.id:
                wanted = {name for text in forms(message.id) for name in re.findall(r"%\((\w+)\)", text)}
                given = {name for text in forms(message.string) for name in re.findall(r"%\((\w+)\)", text)}
                assert given == wanted, message.id

    def test_is_compiled_as_it_is_written(self, written: Catalog) -> None:
        with (CATALOGUE / "django.mo").open("rb") as file:
            compiled = read_mo(file)
        assert texts_of(compiled) == texts_of(written), "manage.py compilemessages"


class TestAmounts:
    def test_are_exact_and_grouped(self) -> None:
        for language in ("en", "th"):
            with translation.override(language):
                assert credits_text(1234567) == "1,234,567"
                assert credits_text(-1234) == "−1,234"
                assert money(1233) == "$12.33"
                assert money(29000) == "$290"
                assert money(-450) == "−$4.50"
                assert money(1000, "jpy") == "¥1,000"
                assert money(123456, "sek") == "1,234.56 SEK"

    @pytest.mark.parametrize("value", [1, "1", "1.000000", Decimal("1.000000")])
    def test_of_exactly_one_are_singular(self, value: Decimal | int | str) -> None:
        assert grammatical_number(value) == 1

    @pytest.mark.parametrize("value", [0, 2, "0.5", "1.5", Decimal("1.000001"), "1,000", "4,500"])
    def test_of_anything_else_are_plural(self, value: Decimal | int | str) -> None:
        """Also as `credits` has written them already, with separators."""
        assert grammatical_number(value) == 2

    def test_keep_every_place_of_credits(self) -> None:
        assert credits_text(Decimal("0.000001")) == "0.000001"
        assert credits_text(Decimal("7.500000")) == "7.5"
        assert credits_text(Decimal("100.000000")) == "100"


class TestTimeLeft:
    def test_is_told_in_days(self) -> None:
        now = clock.now()
        assert [time_left(now + timedelta(days=n)) for n in (-1, 0, 1, 5)] == [
            "today",
            "today",
            "tomorrow",
            "in 5 days",
        ]
        with translation.override("th"):
            assert time_left(now + timedelta(days=5)) == "ในอีก 5 วัน"
