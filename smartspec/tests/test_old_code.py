"""From the moment that an upgrade has migrated until the last server is restarted, old code serves on new tables."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from smartspec.testing import scratch_database
from smartspec.tests.history import git

BASE_DIR = Path(settings.BASE_DIR)
APPS = ("billing", "credits", "media", "smartspec")
STORY = Path(__file__).with_name("old_code_story.py")
# Whatever else this machine's variables say is not for the old code.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "PGSSLMODE")


def migrated_apps() -> list[Path]:
    """Return the apps, as folders, that were migrated since their first tables: of those there is older code."""
    folders = [
        folder for app in APPS for folder in (BASE_DIR / app).rglob("migrations") if folder.parent.name != "sandbox"
    ]
    return sorted(folder.parent.relative_to(BASE_DIR) for folder in folders if len(list(folder.glob("0*.py"))) > 1)


def code_before(migration: Path) -> str:
    """Return the last commit that knew nothing of a migration; a new number makes no new one."""
    followed = git("log", "--follow", "-M", "--diff-filter=A", "--format=%H", "--", str(migration)).split()
    return f"{followed[-1].decode()}^" if followed else "HEAD"


def extract(commit: str, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")


def run_story(code: Path, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    """Run the story in a process whose code is in a folder, on the database that is in use here."""
    database = connection.settings_dict
    variables = {
        "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@/{database['NAME']}",
        "PGHOST": database["HOST"],  # the embedded server's is a folder
        "PGPORT": str(database["PORT"] or 5432),
        "SMARTSPEC_DATA_DIR": str(data_dir),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
    return subprocess.run(
        [sys.executable, "-"],  # from standard input: the folder of a script would come before that of the code
        input=STORY.read_text(),
        cwd=code,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_there_is_older_code_of_every_app_that_matters() -> None:
    assert {"billing", "credits", "media", "smartspec", "smartspec/users"} <= set(map(str, migrated_apps()))


def newest_migration(app: Path) -> Path:
    return max((BASE_DIR / app / "migrations").glob("0*.py")).relative_to(BASE_DIR)


def came_at(migration: Path) -> int:
    """Return when a migration's predecessor in the history was written, in seconds."""
    return int(git("log", "-1", "--format=%ct", code_before(migration)))


def assert_served_without(migration: Path, folder: Path) -> None:
    """Assert that code which does not know a migration serves on the tables of today."""
    code = folder / "code"
    extract(code_before(migration), code)
    assert not (code / migration).exists()
    with scratch_database("smartspec_old_code"):
        told = run_story(code, folder / "data")
    assert told.returncode == 0, told.stderr[-5000:]


@pytest.mark.serial
@pytest.mark.usefixtures("django_db_setup")
def test_that_does_not_know_the_newest_migration_serves_on(tmp_path: Path, django_db_blocker: Any) -> None:
    newest = max((newest_migration(app) for app in migrated_apps()), key=came_at)
    with django_db_blocker.unblock():
        assert_served_without(newest, tmp_path)


@pytest.mark.long
@pytest.mark.usefixtures("django_db_setup")
@pytest.mark.parametrize("app", migrated_apps(), ids=str)
def test_that_does_not_know_the_newest_migration_of_an_app_serves_on(
    app: Path, tmp_path: Path, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock():
        assert_served_without(newest_migration(app), tmp_path)
