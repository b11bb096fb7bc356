"""The repository's history, for tests that read it."""

import subprocess
from pathlib import Path

from django.conf import settings


def git(*arguments: str) -> bytes:
    """Return what git says of this repository.

    :raises AssertionError: there is no history here, or not all of it.
    """
    assert (Path(settings.BASE_DIR) / ".git").exists(), "There is no history here: run this test in a clone."
    assert run("rev-parse", "--is-shallow-repository").strip() == b"false", (
        "This clone is shallow: fetch all of its history (git fetch --unshallow), which this test reads."
    )
    return run(*arguments)


def run(*arguments: str) -> bytes:
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, check=True).stdout
