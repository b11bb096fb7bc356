"""The image, compose.yaml and the systemd units name only what exists, and give nobody more than they need."""

import configparser
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

BASE_DIR = Path(settings.BASE_DIR)
UNITS = sorted((BASE_DIR / "docs/systemd").glob("*.service"))
VARIABLES = {line.split("=")[0] for line in (BASE_DIR / ".env.example").read_text().splitlines() if "=" in line}
# Read by others than settings.py: Python, the metrics' library, the image's base, Postgres and PgBouncer.
OTHERS = {
    "PATH",
    "PYTHONUNBUFFERED",
    "PYTHON_IMAGE",
    "PROMETHEUS_MULTIPROC_DIR",
    "POSTGRES_PASSWORD",
    "WEB_PORTS",
    "MAINPID",
}
NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


@pytest.fixture
def dockerfile() -> list[str]:
    """The instructions, comments and continued lines aside."""
    text = re.sub(r"^\s*#.*\n", "", (BASE_DIR / "Dockerfile").read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", " ").strip().splitlines()


@pytest.fixture
def services() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((BASE_DIR / "compose.yaml").read_text())["services"]
    return composed


def unit(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def assert_command_exists(words: list[str]) -> None:
    """A command of ours is one of manage.py, or serves our own WSGI application."""
    if "manage.py" in words:
        assert words[words.index("manage.py") + 1] in get_commands()
    else:
        assert words[:2] == ["gunicorn", "smartspec.wsgi"] or "smartspec.alive" in words


def canonical(pin: str) -> str:
    """A pin as packaging tools write it, without extras: `Django_X[y]==1` is `django-x==1`."""
    name, version = re.sub(r"\[.*\]", "", pin).split("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


class TestImage:
    def test_is_built_from_exact_pins_in_two_stages(self, dockerfile: list[str]) -> None:
        assert len([line for line in dockerfile if line.startswith("FROM")]) == 2
        assert re.search(r"PYTHON_IMAGE=python:3\.11\.\d+-slim", dockerfile[0])
        pins = [line for line in (BASE_DIR / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
        assert all("==" in pin for pin in pins)
        assert any("--no-deps --require-hashes -r requirements.lock" in line for line in dockerfile)

    def test_knows_every_pin_by_its_hashes(self) -> None:
        lock = (BASE_DIR / "requirements.lock").read_text().replace("\\\n", "")
        locked = dict(re.findall(r"^([^\s#]+==\S+)((?: +--hash=sha256:[0-9a-f]{64})+)$", lock, re.MULTILINE))
        pins = re.findall(r"^[^\s#]+==\S+", (BASE_DIR / "requirements.txt").read_text(), re.MULTILINE)
        assert {canonical(pin) for pin in locked} == {canonical(pin) for pin in pins}, "run `make lock`"
        assert "://" not in lock  # no index is named: everybody's own is asked, and held to the same hashes

    def test_needs_no_other_image_to_be_built(self) -> None:
        assert not (BASE_DIR / "Dockerfile").read_text().startswith("# syntax")  # a frontend that nothing pins

    def test_writes_nothing_into_a_home_that_it_does_not_have(self, dockerfile: list[str]) -> None:
        assert "--no-control-socket" in dockerfile[-1]

    def test_runs_as_nobody_in_particular(self, dockerfile: list[str]) -> None:
        last_stage = dockerfile[max(n for n, line in enumerate(dockerfile) if line.startswith("FROM")) :]
        users = [line.split()[1] for line in last_stage if line.startswith("USER")]
        assert users == ["smartspec"]
        assert last_stage.index("USER smartspec") < next(
            n for n, line in enumerate(last_stage) if line.startswith("CMD")
        )

    def test_names_only_variables_and_commands_that_exist(self, dockerfile: list[str]) -> None:
        assert set(NAME.findall("\n".join(dockerfile))) - VARIABLES - OTHERS == set()
        for line in dockerfile:
            if "CMD [" in line:
                assert_command_exists(yaml.safe_load(line[line.index("[") :]))

    def test_has_no_stand_ins_benches_tests_or_secrets(self) -> None:
        lines = (BASE_DIR / ".dockerignore").read_text().splitlines()
        assert lines[1] == "*"  # only what is named goes in
        taken = {line[1:] for line in lines if line.startswith("!")}
        assert all((BASE_DIR / name).exists() for name in taken)
        assert not taken & {".env", ".git", ".local", "production.env"}
        assert {"**/sandbox", "**/bench", "**/tests"} <= set(lines)


class TestCompose:
    def test_has_every_part_of_the_product(self, services: dict[str, Any]) -> None:
        assert set(services) == {"postgres", "pgbouncer", "migrate", "web", "worker"}

    def test_gives_workers_and_migrations_a_way_past_pgbouncer(self, services: dict[str, Any]) -> None:
        assert services["pgbouncer"]["environment"]["POOL_MODE"] == "transaction"
        assert int(services["pgbouncer"]["environment"]["MAX_PREPARED_STATEMENTS"]) > 0
        assert "@pgbouncer:" in services["web"]["environment"]["DATABASE_URL"]
        assert "@postgres:" in services["worker"]["environment"]["DATABASE_DIRECT_URL"]
        assert "@postgres:" in services["migrate"]["environment"]["DATABASE_URL"]

    def test_names_only_variables_and_commands_that_exist(self, services: dict[str, Any]) -> None:
        for name in ("migrate", "web", "worker"):
            assert set(services[name]["environment"]) <= VARIABLES
            if "command" in services[name]:
                assert_command_exists(services[name]["command"])

    def test_holds_no_secret_and_opens_one_door_to_this_machine_alone(self, services: dict[str, Any]) -> None:
        text = (BASE_DIR / "compose.yaml").read_text()
        assert set(re.findall(r"PASSWORD: (\S+)", text)) == {"${POSTGRES_PASSWORD:?openssl"}
        ports = {port for service in services.values() for port in service.get("ports", ())}
        assert ports == {"127.0.0.1:${WEB_PORTS:-8000}:8000"}

    def test_is_in_production_whatever_a_copy_of_the_example_says(self, services: dict[str, Any]) -> None:
        for name in ("migrate", "web", "worker"):
            environment = services[name]["environment"]
            assert environment["SMARTSPEC_ENVIRONMENT"] == "production"
            assert environment["SMARTSPEC_DATA_DIR"] == "/data"
            assert environment["PORT"] == "8000"

    def test_tells_when_web_and_worker_are_there(self, services: dict[str, Any]) -> None:
        # `up --wait` ends with 1 for a service that runs on and has no health check
        assert "healthcheck" not in services["web"]  # the image's
        assert_command_exists(services["worker"]["healthcheck"]["test"][1:])

    def test_starts_web_and_worker_on_a_migrated_database(self, services: dict[str, Any]) -> None:
        for name in ("web", "worker"):
            assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}

    def test_runs_our_code_where_it_can_change_nothing(self, services: dict[str, Any]) -> None:
        for name in ("migrate", "web", "worker"):
            assert services[name]["read_only"]
            assert services[name]["cap_drop"] == ["ALL"]


class TestArchive:
    """What hands the write-ahead log on, with Docker and without: the same settings, scripts and folders."""

    @pytest.fixture
    def archiving(self) -> dict[str, Any]:
        (service,) = yaml.safe_load((BASE_DIR / "compose.archive.yaml").read_text())["services"].items()
        assert service[0] == "postgres"
        return dict(service[1])

    def test_has_the_same_settings_in_a_container(self, archiving: dict[str, Any]) -> None:
        conf = (BASE_DIR / "docs/postgres/archive.conf").read_text()
        settings_without = dict(re.findall(r"^(\w+) = '?(.*?)'?$", conf, re.MULTILINE))
        assert set(settings_without) == {"archive_mode", "archive_command", "archive_timeout", "restore_command"}
        program, *options = archiving["command"]
        assert program == "postgres"
        assert options[::2] == ["-c"] * 4
        assert dict(option.split("=", 1) for option in options[1::2]) == settings_without

    def test_has_the_same_folders_in_a_container(self, archiving: dict[str, Any]) -> None:
        scripts, archive = archiving["volumes"]
        assert scripts == "./docs/postgres:/srv/smartspec/docs/postgres:ro"
        assert (archive["source"], archive["target"]) == ("/mnt/archive", "/mnt/archive")
        # An empty folder in its place would not be noticed, and what is mounted later must be seen inside as well.
        assert archive["bind"] == {"create_host_path": False, "propagation": "rslave"}

    def test_is_waited_for_no_longer_than_without_an_archive(self, archiving: dict[str, Any]) -> None:
        assert set(archiving) == {"command", "volumes"}  # a Postgres that cannot start is told at once

    def test_is_used_by_the_same_commands(self) -> None:
        page = (BASE_DIR / "docs/operations.md").read_text()
        used = re.findall(r"(docker|runuser) .*(/srv/smartspec/docs/postgres/.*)", page)
        by = {way: sorted(words for found, words in used if found == way) for way in ("docker", "runuser")}
        assert by["docker"] == by["runuser"]
        assert {words.split()[0].rpartition("/")[2] for words in by["docker"]} == {
            "base-backup",
            "recover",
            "await-moment",
            "promote",
        }


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
class TestUnit:
    def test_names_only_variables_and_commands_that_exist(self, path: Path) -> None:
        text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
        assert set(NAME.findall(text)) - VARIABLES - OTHERS == set()
        words = shlex.split(unit(path)["Service"]["ExecStart"])
        assert_command_exists([Path(words[0]).name, *words[1:]])

    def test_runs_as_a_user_of_its_own_and_takes_secrets_from_a_file(self, path: Path) -> None:
        service = unit(path)["Service"]
        assert service["User"] == "smartspec"
        assert service["NoNewPrivileges"] == "true"
        files = re.findall(r"^EnvironmentFile=(.*)$", path.read_text(), re.MULTILINE)
        # the second beats the first, which may have begun as a copy of .env.example
        assert files == ["/etc/smartspec/environment", "/srv/smartspec/docs/systemd/smartspec.env"]
        assert service["Restart"] == "always"


def test_the_units_are_in_production() -> None:
    fixed = (BASE_DIR / "docs/systemd/smartspec.env").read_text().splitlines()[1:]
    assert fixed == ["SMARTSPEC_ENVIRONMENT=production", "SMARTSPEC_DATA_DIR=/var/lib/smartspec"]


def test_there_are_units_for_web_and_worker() -> None:
    assert [path.stem for path in UNITS] == ["smartspec-web", "smartspec-worker"]


class TestCommandsWithoutDocker:
    """`smartspec-manage`, with its folders in one of the test's own."""

    def run(self, root: Path, *arguments: str) -> dict[str, str]:
        """Return the variables that the command would have, and what would be run, by whom and where."""
        for folder in ("bin", "etc/smartspec", "srv/smartspec/docs/systemd", "var/lib/smartspec"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        places = [f"{place}/smartspec" for place in ("/etc", "/srv", "/var/lib")]
        for source, target in (("smartspec-manage", "bin"), ("smartspec.env", "srv/smartspec/docs/systemd")):
            text = (BASE_DIR / "docs/systemd" / source).read_text()
            for place in places:
                text = text.replace(place, f"{root}{place}")
            (root / target / source).write_text(text)
        (root / "bin/runuser").write_text('#!/bin/sh\nenv\necho "RUN=$*"\necho "IN=$(pwd)"\n')
        (root / "bin/runuser").chmod(0o700)
        done = subprocess.run(
            ["/bin/sh", str(root / "bin/smartspec-manage"), *arguments],
            env={"PATH": f"{root}/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": "/run/user/0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def test_have_the_environment_of_the_units_and_their_user(self, tmp_path: Path) -> None:
        (tmp_path / "etc/smartspec").mkdir(parents=True)
        (tmp_path / "etc/smartspec/environment").write_text(
            "SMARTSPEC_ENVIRONMENT=local\nDATABASE_URL='postgres://web:a $b@db/s'\n"
        )
        found = self.run(tmp_path, "restore", "nightly.dump", "--replace")
        assert (found["SMARTSPEC_ENVIRONMENT"], found["DATABASE_URL"]) == ("production", "postgres://web:a $b@db/s")
        code = f"{tmp_path}/srv/smartspec"
        assert (
            found["RUN"] == f"-u smartspec -- {code}/.venv/bin/python {code}/manage.py restore nightly.dump --replace"
        )
        assert found["IN"] == found["SMARTSPEC_DATA_DIR"] == f"{tmp_path}/var/lib/smartspec"
        assert "XDG_RUNTIME_DIR" not in found

    def test_reach_the_database_as_the_tables_owner_where_the_server_does_not(self, tmp_path: Path) -> None:
        (tmp_path / "etc/smartspec").mkdir(parents=True)
        for name in ("environment", "owner"):
            (tmp_path / "etc/smartspec" / name).write_text(f"DATABASE_URL=postgres://{name}@db/s\n")
        assert self.run(tmp_path, "migrate")["DATABASE_URL"] == "postgres://owner@db/s"
