"""What the documents name exists: tests, settings, files, commands."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

BASE_DIR = Path(settings.BASE_DIR)
PAGES = [*sorted((BASE_DIR / "docs").rglob("*.md")), BASE_DIR / "README.md"]
QUOTED = re.compile(r"`([^`\n]+)`")
# Made by whoever runs the product, or by a command.
MADE = {".env", ".venv", ".local/", "production.env", "backups/", "Caddyfile", ".mo"}


def quoted(path: Path) -> list[str]:
    """Return what a page sets in backquotes, code blocks aside."""
    return QUOTED.findall(re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPage:
    def test_names_tests_that_exist(self, page: Path) -> None:
        for name in quoted(page):
            path, _, test = name.partition("::")
            if path.endswith(".py") and "/tests/" in path:
                assert (BASE_DIR / path).exists(), name
                if test:
                    assert re.search(rf"^\s*(?:def|class) {test}\b", (BASE_DIR / path).read_text(), re.MULTILINE), name

    def test_names_files_that_exist(self, page: Path) -> None:
        for name in quoted(page):
            if re.fullmatch(r"(?:smartspec|credits|billing|media|docs|templates|static|locale)/[\w./-]*", name):
                assert (BASE_DIR / name).exists(), name

    def test_names_commands_that_exist(self, page: Path) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
        text = page.read_text()
        commands = set(re.findall(r"manage\.py ([a-z_]+)", text))
        assert commands - set(get_commands()) == set()
        assert set(re.findall(r"`make ([a-z-]+)", text)) - targets == set()

    def test_names_variables_that_exist(self, page: Path) -> None:
        listed = set(re.findall(r"^([A-Z_0-9]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE))
        for name in re.findall(r"\bSMARTSPEC_[A-Z_]+\b", page.read_text()):
            assert name in listed, name


def test_every_setting_of_the_security_page_exists() -> None:
    names = [name for name in quoted(BASE_DIR / "docs/security.md") if re.fullmatch(r"[A-Z][A-Z_]+", name)]
    assert names
    assert [name for name in names if not hasattr(settings, name)] == []


def test_every_point_of_the_security_page_is_held_by_something() -> None:
    rows = [line for line in (BASE_DIR / "docs/security.md").read_text().splitlines() if line.startswith("| ")]
    points = [row.strip("| ").split(" | ") for row in rows]
    points = [row for row in points if len(row) == 3 and row[2] not in ("held by", "how")]
    assert len(points) > 80
    assert all("`" in row[2] or "outside" in row[2] or "docs/" in row[2] for row in points)
