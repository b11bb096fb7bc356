"""What media does inside Postgres. A change to a file here needs a migration that installs it again."""

from pathlib import Path


def read(name: str) -> str:
    """Return the text of one file of this folder."""
    return (Path(__file__).parent / f"{name}.sql").read_text()
