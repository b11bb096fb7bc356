"""What the documents tell to type: commands run as they stand, or, where they need a server, name what exists."""

import os
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError

from billing.sandbox import seed
from smartspec import clock
from smartspec.users import services

BASE_DIR = Path(settings.BASE_DIR)
PAGES = sorted((BASE_DIR / "docs").rglob("*.md"))
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# A block says by its language what it is: `sh` is run, unless its first line says that it needs the server.
ON_THE_SERVER = "# on the server"
READ_ONLY = {"text", "caddyfile", "cron"}
# Words that stand for something of the reader's.
STANDS_FOR = {"PATH": "nightly.dump", "ROLE": "smartspec_web"}


def blocks(language: str) -> list[Any]:
    """Return every block of a language, with the page it stands on."""
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (found, text) in enumerate(BLOCK.findall(page.read_text()))
        if found == language
    ]


RUN = [param for param in blocks("sh") if not param.values[0].startswith(ON_THE_SERVER)]
SERVER = [param for param in blocks("sh") if param.values[0].startswith(ON_THE_SERVER)]


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def commands_in(text: str) -> list[list[str]]:
    """Return what follows `manage.py`, or its wrapper's name, word by word, wherever it stands in a text."""
    for word, instead in STANDS_FOR.items():
        text = text.replace(word, instead)
    found = re.findall(r"(?:manage\.py|smartspec-manage) ([a-z_]+(?:[^`\n;|>&()]*[^`\n;|>&()\s])?)", text)
    return [shlex.split(words, comments=True) for words in found]


def assert_parses(words: list[str]) -> None:
    """Assert that such a command exists, and has these options."""
    name, *arguments = words
    assert name in get_commands(), name
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    parser = command.create_parser("manage.py", name)
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:  # --help ends with 0
        refusal = ended.code
    except CommandError as error:
        refusal = str(error)
    else:
        refusal = None
    assert not refusal, f"manage.py {shlex.join(words)}: {refusal}"


def assert_scripts_exist(words: list[str]) -> None:
    """Assert that what is run of docs/postgres is there, and may be run."""
    for word in words:
        if word.startswith("/srv/smartspec/docs/postgres/"):
            assert os.access(BASE_DIR / word.removeprefix("/srv/smartspec/"), os.X_OK), word


@pytest.fixture
def worker_1(db: None) -> None:
    services.create_service_key(name="worker-1", scopes=["credits:spend"], now=clock.now())


@pytest.fixture
def stripe(db: None) -> None:
    seed.seed(clock.now(), f"{settings.SITE_URL}/api/webhooks/stripe")


@pytest.mark.django_db
@pytest.mark.parametrize("text", RUN)
def test_a_block_runs(
    text: str, worker_1: None, stripe: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    settings.DATA_DIR = tmp_path
    for line in lines_of(text):
        (words,) = commands_in(line)
        assert line.startswith("manage.py "), line
        if "exit 1 while" in line:
            with suppress(SystemExit):
                call_command(*words)
        else:
            call_command(*words)


@pytest.mark.parametrize("text", SERVER)
def test_a_block_for_the_server_names_what_exists(text: str) -> None:
    checked = subprocess.run(["/bin/bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    composed = yaml.safe_load((BASE_DIR / "compose.yaml").read_text())["services"]
    units = {path.stem for path in (BASE_DIR / "docs/systemd").glob("*.service")}
    for line in lines_of(text):
        words = shlex.split(line, comments=True)
        if words[0] == "docker":
            assert words[:4] == ["docker", "compose", "--env-file", "production.env"]
            named = [word for word in words[5:] if re.fullmatch(r"[a-z]+", word)]
            assert words[4] == "up" or named[0] in composed, line
        elif words[0] == "systemctl":
            assert {word for word in words if word.startswith("smartspec")} <= units, line
        elif words[0] == "cp":
            assert list(BASE_DIR.glob(words[1])), line
        elif words[0] == "runuser":
            assert words[1:4] == ["-u", "postgres", "--"], line
        else:
            assert words[0] in {"cd", "set", "useradd", "install", "smartspec-manage"}, line
        assert_scripts_exist(words)
    for command in commands_in(text):
        assert_parses(command)


@pytest.mark.parametrize("page", [*PAGES, BASE_DIR / "README.md"], ids=lambda page: page.name)
def test_every_command_on_a_page_has_the_options_that_it_is_given(page: Path) -> None:
    for words in commands_in(page.read_text()):
        if words[1:] and (words[1].startswith("-") or words[1] in STANDS_FOR.values()):
            assert_parses(words)


def test_every_block_is_of_a_kind_that_is_run_or_read() -> None:
    kinds = {language for page in PAGES for language, _ in BLOCK.findall(page.read_text())}
    assert kinds <= {"sh", "json", "yaml", "python"} | READ_ONLY
    assert len(RUN) >= 4
    assert len(SERVER) >= 3
    assert not blocks("python")  # there is none; one would be run here


@pytest.mark.parametrize("text", blocks("cron"))
def test_a_timers_line_has_its_five_fields_and_a_command_with_the_servers_environment(text: str) -> None:
    (line,) = lines_of(text)
    with_docker = "cd /srv/smartspec && docker compose --env-file production.env exec -T "
    ours = rf"({with_docker}web |/usr/local/bin/smartspec-manage )"
    of_postgres = rf"({with_docker}--user postgres postgres |runuser -u postgres -- )/srv/smartspec/docs/postgres/"
    assert re.match(rf" *(\S+ ){{5}} *({ours}|{of_postgres})", line)
    assert_scripts_exist(line.split())
    for command in commands_in(line):
        assert_parses(command)
    assert commands_in(line) or "docs/postgres/" in line
